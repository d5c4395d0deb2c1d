//! How each dialect spells an error: the one place with Tencent's codes, their numbers and their misspellings.
//!
//! Users match on these texts, so they are part of the promise: a code that the original misspells is misspelt here.
//! Both matches are exhaustive: a new code asks every dialect.

use std::borrow::Cow;

use query::{Code, Error};

/// Which family of callers an error is spelt for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The server SDKs on `/admin`.
    Admin,
    /// Clients that name actions: web pages and mini programs through the CloudBase SDKs, on `/web`.
    Web,
    /// `wx.cloud` itself, on its script address: numbers only.
    Wx,
    /// The REST interface on `/v1`: a status and a code.
    Rest,
    /// Our own admin interface, under the command line and the console.
    Own,
    /// The socket on which SDKs watch.
    Socket,
}

/// An error code as one dialect writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spelling {
    /// The code's text.
    pub text: &'static str,
    /// The number that `wx.cloud` callers see as `errCode`.
    pub number: i32,
    /// The status of the HTTP answer.
    pub status: u16,
}

/// Spells a code.
pub const fn spell(code: Code, dialect: Dialect) -> Spelling {
    let (text, number) = sdk(code);
    match dialect {
        // The SDKs read no body of any other status.
        Dialect::Admin => Spelling { text, number, status: 200 },
        Dialect::Web => Spelling { text: web(code), number, status: 200 },
        Dialect::Wx => Spelling { text, number: wx(code), status: 200 },
        Dialect::Rest => Spelling { text: web(code), number, status: rest(code) },
        Dialect::Socket => Spelling { text: socket(code), number, status: 200 },
        Dialect::Own => Spelling { text: own(code), number, status: status(code) },
    }
}

/// Code and number as `wx-server-sdk` maps them; codes that it does not know become -501001 there.
const fn sdk(code: Code) -> (&'static str, i32) {
    match code {
        Code::InvalidParam | Code::EnvExists | Code::IndexMissing | Code::IndexConflict => ("INVALID_PARAM", -501007),
        Code::InvalidOperator => ("DATABASE_INVALID_OPERRATOR", -502002),
        Code::BadRequest | Code::LogTrimmed | Code::MemoryLimit | Code::StorageFull => {
            ("DATABASE_REQUEST_FAILED", -502001)
        }
        // A newer code exists, but `wx-server-sdk` does not know it and users test for -502001 and E11000.
        Code::DuplicateKey => ("DATABASE_REQUEST_FAILED", -502001),
        Code::NotSupported => ("INVALID_ACTION", -501001),
        Code::TooLarge => ("EXCEED_REQUEST_SIZE_LIMIT", -501001),
        Code::EnvMissing => ("INVALIID_ENV", -501005),
        Code::CollectionMissing => ("DATABASE_COLLECTION_NOT_EXIST", -502005),
        Code::CollectionExists => ("DATABASE_COLLECTION_ALREADY_EXIST", -501001),
        Code::TransactionMissing => ("DATABASE_TRANSACTION_FAIL", -501001),
        Code::TransactionConflict | Code::TransactionBusy => ("DATABASE_TRANSACTION_CONFLICT", -501001),
        Code::FileMissing => ("STORAGE_FILE_NONEXIST", -503003),
        Code::FileDenied => ("STORAGE_EXCEED_AUTHORITY", -503002),
        Code::FunctionMissing => ("FUNCTION_NOT_FOUND", -501001),
        Code::FunctionFailed => ("FUNCTIONS_EXECUTE_FAIL", -504002),
        Code::PermissionDenied => ("DATABASE_PERMISSION_DENIED", -502003),
        Code::Unauthenticated => ("SIGN_PARAM_INVALID", -501001),
        Code::Timeout => ("DATABASE_TIMEOUT", -501001),
        Code::Cancelled => ("SERVER_TIMEOUT", -501002),
        Code::RateLimited | Code::QuotaExceeded => ("EXCEED_REQUEST_LIMIT", -501003),
        Code::ConcurrencyLimited => ("EXCEED_CONCURRENT_REQUEST_LIMIT", -501004),
        Code::CollectionLimit => ("DATABASE_COLLECTION_EXCEED_LIMIT", -502004),
        Code::Halted | Code::OutcomeUnknown | Code::Corrupt | Code::Internal => ("SYS_ERR", -501001),
    }
}

/// What client SDKs know under another name than server SDKs. A token that does not verify counts as expired: SDKs then
/// fetch a new one, and where that is refused as well the user is asked to sign in again.
const fn web(code: Code) -> &'static str {
    match code {
        Code::DuplicateKey => "DATABASE_DUPLICATE_WRITE",
        Code::EnvMissing => "INVALID_ENV",
        Code::Unauthenticated => "ACCESS_TOKEN_EXPIRED",
        other => sdk(other).0,
    }
}

/// The numbers of `wx.cloud`, where it has one of its own.
const fn wx(code: Code) -> i32 {
    match code {
        Code::Unauthenticated => -501_010,
        Code::NotSupported => -501_012,
        Code::TooLarge => -501_013,
        Code::Timeout => -501_002,
        other => sdk(other).1,
    }
}

/// The words that `wx.cloud` puts before a message, by number.
pub const fn phrase(number: i32) -> &'static str {
    match number {
        -501_002 => "resource server timeout",
        -501_003 => "exceed request limit",
        -501_004 => "exceed concurrent request limit",
        -501_005 => "invalid env",
        -501_007 => "invalid parameters",
        -501_010 => "invalid signature",
        -501_012 => "unknown api",
        -501_013 => "request too large",
        -502_001 => "database request fail",
        -502_002 => "database invalid command",
        -502_003 => "database permission denied",
        -502_004 => "database exceed collection limit",
        -502_005 => "database collection not exists",
        -504_002 => "functions execute fail",
        _ => "resource system error",
    }
}

/// The status on `/v1`. Faults of the caller stay below 500, so that a proxy does not take them for ours.
const fn rest(code: Code) -> u16 {
    match code {
        // The original's numbers, although 403 and 400 would say it better.
        Code::PermissionDenied => 401,
        Code::InvalidOperator => 403,
        Code::TransactionConflict | Code::TransactionBusy => 503,
        Code::RateLimited | Code::ConcurrencyLimited | Code::CollectionLimit => 422,
        other => status(other),
    }
}

/// On a socket, codes about logins make SDKs fetch a new ticket; all others end the watch.
const fn socket(code: Code) -> &'static str {
    match code {
        Code::PermissionDenied => "COLLECTION_PERMISSION_DENIED",
        Code::Unauthenticated => "CHECK_LOGIN_FAILED",
        _ => sdk(code).0,
    }
}

/// Our own names: one per code, so that nothing is lost on the way to an administrator.
const fn own(code: Code) -> &'static str {
    match code {
        Code::InvalidParam => "INVALID_PARAM",
        Code::InvalidOperator => "INVALID_OPERATOR",
        Code::BadRequest => "BAD_REQUEST",
        Code::NotSupported => "NOT_SUPPORTED",
        Code::TooLarge => "TOO_LARGE",
        Code::DuplicateKey => "DUPLICATE_KEY",
        Code::EnvMissing => "ENV_MISSING",
        Code::EnvExists => "ENV_EXISTS",
        Code::CollectionMissing => "COLLECTION_MISSING",
        Code::CollectionExists => "COLLECTION_EXISTS",
        Code::IndexMissing => "INDEX_MISSING",
        Code::IndexConflict => "INDEX_CONFLICT",
        Code::FileMissing => "FILE_MISSING",
        Code::FileDenied => "FILE_DENIED",
        Code::FunctionMissing => "FUNCTION_MISSING",
        Code::FunctionFailed => "FUNCTION_FAILED",
        Code::TransactionMissing => "TRANSACTION_MISSING",
        Code::TransactionConflict => "TRANSACTION_CONFLICT",
        Code::TransactionBusy => "TRANSACTION_BUSY",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::Unauthenticated => "UNAUTHENTICATED",
        Code::Timeout => "TIMEOUT",
        Code::Cancelled => "CANCELLED",
        Code::RateLimited => "RATE_LIMITED",
        Code::ConcurrencyLimited => "CONCURRENCY_LIMITED",
        Code::LogTrimmed => "LOG_TRIMMED",
        Code::CollectionLimit => "COLLECTION_LIMIT",
        Code::MemoryLimit => "MEMORY_LIMIT",
        Code::QuotaExceeded => "QUOTA_EXCEEDED",
        Code::StorageFull => "STORAGE_FULL",
        Code::Halted => "HALTED",
        Code::OutcomeUnknown => "OUTCOME_UNKNOWN",
        Code::Corrupt => "CORRUPT",
        Code::Internal => "INTERNAL",
    }
}

const fn status(code: Code) -> u16 {
    match code {
        Code::InvalidParam | Code::InvalidOperator | Code::BadRequest | Code::NotSupported => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied | Code::FileDenied => 403,
        Code::EnvMissing | Code::CollectionMissing | Code::IndexMissing => 404,
        Code::TransactionMissing | Code::FileMissing | Code::FunctionMissing => 404,
        Code::DuplicateKey | Code::EnvExists | Code::CollectionExists | Code::IndexConflict => 409,
        Code::TransactionConflict | Code::TransactionBusy => 409,
        Code::LogTrimmed => 410,
        Code::TooLarge => 413,
        Code::RateLimited | Code::ConcurrencyLimited | Code::CollectionLimit => 429,
        Code::MemoryLimit | Code::QuotaExceeded | Code::FunctionFailed => 422,
        Code::StorageFull => 507,
        Code::Timeout | Code::Cancelled => 504,
        Code::Halted => 503,
        Code::OutcomeUnknown | Code::Corrupt | Code::Internal => 500,
    }
}

/// The message for a server SDK: the texts that users match on, in the original's words where it has them.
pub fn message<'e>(error: &'e Error, collection: Option<&str>) -> Cow<'e, str> {
    const CONTACT: &str = "Please check your request, but if the problem cannot be solved, contact us.";
    let name = collection.unwrap_or("unknown");
    match error.code {
        Code::CollectionMissing => format!("[ResourceNotFound] Db or Table not exist: {name}. {CONTACT}").into(),
        Code::CollectionExists => format!("[ResourceExist] Table exist: {name}. {CONTACT}").into(),
        Code::TransactionConflict => unavailable(
            "TransactionConflict",
            &format!("Transaction is conflict, maybe resource operated by others: {}.", error.message),
        ),
        Code::TransactionBusy => unavailable("TransactionBusy", &format!("Transaction is busy: {}.", error.message)),
        Code::TransactionMissing => unavailable("TransactionNotExist", &error.message),
        _ => error.message.as_str().into(),
    }
}

/// The original's frame around what it says of a transaction.
fn unavailable(kind: &str, words: &str) -> Cow<'static, str> {
    const CONTACT: &str = "Please check your request, but if the problem persists, contact us.";
    format!("[ResourceUnavailable.{kind}] {words} {CONTACT}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `wx-server-sdk`'s own table: a code in it must carry its number, any other the number of an unknown one.
    const KNOWN: &[(&str, i32)] = &[
        ("SYS_ERR", -501001),
        ("SERVER_TIMEOUT", -501002),
        ("EXCEED_REQUEST_LIMIT", -501003),
        ("EXCEED_CONCURRENT_REQUEST_LIMIT", -501004),
        ("INVALIID_ENV", -501005),
        ("INVALID_COMMON_PARAM", -501006),
        ("INVALID_PARAM", -501007),
        ("INVALID_REQUEST_SOURCE", -501008),
        ("RESOURCE_NOT_INITIAL", -501009),
        ("DATABASE_REQUEST_FAILED", -502001),
        ("DATABASE_INVALID_OPERRATOR", -502002),
        ("DATABASE_PERMISSION_DENIED", -502003),
        ("DATABASE_COLLECTION_EXCEED_LIMIT", -502004),
        ("DATABASE_COLLECTION_NOT_EXIST", -502005),
        ("STORAGE_EXCEED_AUTHORITY", -503002),
        ("STORAGE_FILE_NONEXIST", -503003),
        ("FUNCTIONS_EXECUTE_FAIL", -504002),
    ];

    #[test]
    fn every_code_has_the_number_that_the_sdk_shows() {
        for code in Code::ALL {
            let spelling = spell(*code, Dialect::Admin);
            let known = KNOWN.iter().find(|(text, _)| *text == spelling.text).map_or(-501001, |(_, number)| *number);
            assert_eq!(spelling.number, known, "{code:?}");
            assert_eq!(spelling.status, 200, "{code:?}");
        }
    }

    #[test]
    fn our_own_names_are_all_different() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| spell(*code, Dialect::Own).text).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }

    #[test]
    fn messages_hold_what_users_match_on() {
        let text = |code| message(&Error::new(code, "own words"), Some("todos")).into_owned();
        assert!(text(Code::CollectionMissing).contains("Db or Table not exist: todos"));
        assert!(text(Code::CollectionExists).contains("ResourceExist"));
        assert!(text(Code::CollectionExists).contains("Table exist"));
        assert!(text(Code::TransactionConflict).contains("TransactionConflict"));
        assert_eq!(text(Code::DuplicateKey), "own words");
    }
}
