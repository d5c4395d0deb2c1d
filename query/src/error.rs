//! What goes wrong while a request is understood or carried out: a code, a sentence for the caller, a cause for the log.
//!
//! Codes are ours and know no protocol; `server::wire::codes` alone spells them for each dialect. `number` carries
//! MongoDB's number for the same fault, because raw callers and the conformance cases test for it.

use std::fmt;

/// Result of every fallible call in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A fault with everything that a caller may see, and the inner cause for the log.
///
/// `message` says what was expected, what was found and the remedy.
#[derive(Debug, Clone)]
pub struct Error {
    /// What kind of fault.
    pub code: Code,
    /// MongoDB's error number for this fault; 0 where it has none.
    pub number: i32,
    /// The sentence for the caller.
    pub message: String,
    /// What lies below, for the log only.
    pub cause: Option<storage::Error>,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident $fault:ident $remedy:literal,)+) => {
        /// The kinds of fault: one row each in the table below, spelt out per dialect elsewhere.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &[Code] = &[$(Code::$name,)+];

            /// Whose fault it is.
            pub const fn fault(self) -> Fault {
                match self { $(Code::$name => Fault::$fault,)+ }
            }

            /// The meaning, as the docs show it.
            pub const fn help(self) -> &'static str {
                match self { $(Code::$name => concat!($($doc, "\n",)+),)+ }
            }

            /// What to do about it, as the docs show it.
            pub const fn remedy(self) -> &'static str {
                match self { $(Code::$name => $remedy,)+ }
            }
        }
    };
}

codes! {
    /// A parameter is missing, has the wrong type or is out of range.
    InvalidParam Caller "the message names the parameter, what was expected and what came",
    /// A query, update or pipeline names an operator that does not exist or stands in the wrong place.
    InvalidOperator Caller "look the operator up in [operators.md](operators.md); the message says where it stands",
    /// A query, update or pipeline is well formed but cannot be carried out on these documents.
    BadRequest Caller "the message says what does not fit; its MongoDB number can be looked up in MongoDB's manual",
    /// The call is known but this server does not offer it.
    NotSupported Caller "look the call up in [actions.md](actions.md)",
    /// A document, filter, pipeline or request is larger or deeper than the limits allow.
    TooLarge Caller "send less at once, or raise the limit that the message names (`waferdb env limits`)",
    /// A unique index already holds the key.
    DuplicateKey Caller "change the value, or update the document that holds it; the message names index and document",
    /// The environment does not exist.
    EnvMissing Caller "check the environment's name and that the key pair or token belongs to it (`waferdb env list`)",
    /// An environment of this name exists already.
    EnvExists Caller "choose another name, or use the environment that is there",
    /// The collection does not exist.
    CollectionMissing Caller "make it first (`waferdb collection create`, `createCollection`), or check the spelling",
    /// A collection of this name exists already.
    CollectionExists Caller "use the collection that is there, or choose another name",
    /// The index does not exist.
    IndexMissing Caller "check the name (`waferdb index list`)",
    /// An index of this name or on these fields exists already, or building it failed on the data.
    IndexConflict Caller "drop the other index, choose another name, or mend the documents that the message names",
    /// The file does not exist.
    FileMissing Caller "check the id of the file; its path is case sensitive",
    /// The rule for files does not let this caller do that to the file, or the link has ended.
    FileDenied Caller "sign in as who stored the file, or ask for a new link",
    /// The cloud function does not exist.
    FunctionMissing Caller "check the name (`waferdb fn list`) and the environment; deploy it with `waferdb fn deploy`",
    /// The cloud function threw, took too long or used more than it may.
    FunctionFailed Caller "the message is the function's own; `waferdb fn logs` shows what it printed, and where it threw",
    /// The change log does not reach back as far as was asked.
    LogTrimmed Caller "read what is there now, and follow from there on without a token",
    /// The transaction does not exist (any more): it ended, expired or belongs to somebody else.
    TransactionMissing Caller "begin again; commit or abort within the transaction's life",
    /// Somebody else changed a document that this transaction also wrote.
    TransactionConflict Caller "run the transaction again from its start; `runTransaction` does so by itself",
    /// A document is held by an open transaction for longer than a plain write may wait.
    TransactionBusy Caller "try again shortly; keep transactions short",
    /// The rules refuse the request.
    PermissionDenied Policy "sign in as somebody who may, narrow the query to what the rules allow, or change the rules",
    /// Nobody is signed in, or the signature or token does not verify.
    Unauthenticated Policy "sign in again, or check the key pair and the clock; the message says which",
    /// The request ran longer than its deadline.
    Timeout Capacity "narrow the query, make an index that serves it, or raise `deadline_ms`",
    /// The request was cancelled by its caller.
    Cancelled Capacity "send it again if it is still wanted",
    /// Too many requests in this period.
    RateLimited Capacity "wait and try again more slowly",
    /// Too many requests at once.
    ConcurrencyLimited Capacity "try again, with fewer requests at once",
    /// The environment holds as many collections as it may.
    CollectionLimit Capacity "drop collections that nobody needs, or raise `collections_max`",
    /// A stage or sort needs more memory than it may.
    MemoryLimit Capacity "filter earlier, sort by an index, or raise `stage_bytes_max`",
    /// A quota of the environment is spent.
    QuotaExceeded Capacity "wait for the next period, or raise the quota",
    /// The disk is full: writes are refused until there is space.
    StorageFull Capacity "free space on the disk; writing goes on by itself",
    /// The server stopped writing after a failed sync; it must be restarted.
    Halted Server "look into the log for the fault of the disk, mend it, start the server again",
    /// The commit may or may not survive: read before repeating the write.
    OutcomeUnknown Server "read what is there, then decide whether to write again",
    /// Stored data is damaged.
    Corrupt Server "run `waferdb doctor`, restore from a backup",
    /// A fault of the server itself.
    Internal Server "the log holds the cause under the request's id; please report it",
}

/// Whose fault an error is; decides what is logged and what may be retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The request is wrong: repeating it changes nothing.
    Caller,
    /// The rules or the credentials refuse it.
    Policy,
    /// A limit was met: the same request may pass later or smaller.
    Capacity,
    /// The server is at fault; logged with the cause.
    Server,
}

impl Error {
    /// An error of our own code, without a MongoDB number.
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        Error { code, number: 0, message: message.into(), cause: None }
    }

    /// A fault that MongoDB knows by `number`: a bad query, update or expression.
    pub fn mongo(number: i32, message: impl Into<String>) -> Error {
        Error { code: Code::BadRequest, number, message: message.into(), cause: None }
    }

    /// The same fault under another code.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Error {
        self.code = code;
        self
    }

    /// The same fault, with words before its message that say where it happened.
    #[must_use]
    pub fn at(mut self, place: &str) -> Error {
        self.message = format!("{place}: {}", self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}

/// MongoDB's numbers for faults that several places raise.
pub mod number {
    /// BadValue: an argument has an impossible value.
    pub const BAD_VALUE: i32 = 2;
    /// FailedToParse: the shape of a query or update is wrong.
    pub const FAILED_TO_PARSE: i32 = 9;
    /// TypeMismatch: a value has the wrong type.
    pub const TYPE_MISMATCH: i32 = 14;
    /// Overflow: nested too deeply.
    pub const OVERFLOW: i32 = 15;
    /// PathNotViable: a path leads through a value that has no fields.
    pub const PATH_NOT_VIABLE: i32 = 28;
    /// ConflictingUpdateOperators: two operators touch one path.
    pub const CONFLICTING_UPDATE_OPERATORS: i32 = 40;
    /// MaxTimeMSExpired: the deadline passed.
    pub const MAX_TIME_EXPIRED: i32 = 50;
    /// ImmutableField: `_id` cannot change.
    pub const IMMUTABLE_FIELD: i32 = 66;
    /// CannotCreateIndex: the index description is wrong.
    pub const CANNOT_CREATE_INDEX: i32 = 67;
    /// InvalidOptions: what is asked for is not allowed here.
    pub const INVALID_OPTIONS: i32 = 72;
    /// QueryExceededMemoryLimitNoDiskUseAllowed.
    pub const MEMORY_LIMIT: i32 = 292;
    /// DuplicateKey: a unique index holds the key.
    pub const DUPLICATE_KEY: i32 = 11000;
    /// BSONObjectTooLarge.
    pub const OBJECT_TOO_LARGE: i32 = 10334;
}

impl From<storage::Error> for Error {
    fn from(cause: storage::Error) -> Error {
        use storage::Error as S;
        let (code, number) = match &cause {
            S::Full => (Code::StorageFull, 0),
            S::Duplicate { .. } => (Code::DuplicateKey, number::DUPLICATE_KEY),
            S::Conflict | S::Overtaken { .. } => (Code::TransactionConflict, 112),
            S::TooLarge { .. } => (Code::TooLarge, number::OBJECT_TOO_LARGE),
            S::ParallelArrays { .. } => (Code::BadRequest, 171),
            S::Unindexable { number, .. } => (Code::BadRequest, *number),
            S::Halted => (Code::Halted, 0),
            S::Unknown(_) => (Code::OutcomeUnknown, 0),
            S::Corrupt { .. } | S::LostCommits { .. } => (Code::Corrupt, 0),
            S::Gone(_) => (Code::CollectionMissing, 26),
            S::Exists(_) => (Code::CollectionExists, 48),
            S::Io(_) | S::Closed | S::NewerFormat { .. } => (Code::Internal, 0),
        };
        let message = match (&cause, code.fault()) {
            (S::Duplicate { index, key }, _) => {
                format!("E11000 duplicate key error: index {index} already holds this key for document {key}")
            }
            (_, Fault::Server) => "the server could not complete the request; its log names the cause".to_owned(),
            _ => cause.to_string(),
        };
        Error { code, number, message, cause: Some(cause) }
    }
}
