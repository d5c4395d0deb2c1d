//! The table of CloudBase actions: what a call may name, who may call it, what it does.
//!
//! SDKs put everything into one address and name the action in the body; which generation of SDK speaks follows from
//! the name. Actions that this server does not offer are rows as well, so that callers get a clear answer with a code
//! that their SDK knows.

pub mod auth;
pub mod database;
pub mod functions;
pub mod identity;
pub mod storage;

use std::pin::Pin;
use std::sync::Arc;

use query::{Caller, Code, Command, Error, Reply, Result, Session};

use crate::app::App;
use crate::wire::answer::{Answer, wx_answer};
use crate::wire::codes::Dialect;
use crate::wire::ejson::Reader;
use crate::wire::members::Members;

/// An action.
pub struct ActionRow {
    /// The name in the body.
    pub name: &'static str,
    /// Who may call it at least; what the caller may reach is decided by the rules.
    pub gate: Gate,
    /// Does a `transactionId` make the call a part of that transaction?
    pub joins: bool,
    /// What it does.
    pub run: Run,
    /// One line for the docs.
    pub help: &'static str,
}

/// Who may call an action at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Anybody.
    Guest,
    /// Key pairs only.
    Admin,
}

/// What an action does.
pub enum Run {
    /// It is carried out here.
    Here(for<'c> fn(&'c Call<'c>) -> Answering<'c>),
    /// It is not offered; the text is the code that fits.
    Missing(&'static str),
}

/// An action that is carried out by this function.
macro_rules! here {
    ($run:path) => {
        $crate::action::Run::Here(|call| Box::pin($run(call)))
    };
}
use here;

/// An answer on its way.
pub type Answering<'c> = Pin<Box<dyn Future<Output = Result<Vec<u8>>> + Send + 'c>>;

/// Where a call comes from.
pub struct Origin<'c> {
    /// The id of the request.
    pub request_id: &'c str,
    /// Which family of SDKs calls.
    pub dialect: Dialect,
    /// How the caller writes our address, without a path.
    pub base_url: String,
    /// The key pair that the caller has, by its id; looked at where the session is an administrator's.
    pub key: Option<&'c str>,
}

/// A call of an action.
pub struct Call<'c> {
    /// The server.
    pub app: &'c App,
    /// Who calls.
    pub session: Session,
    /// What was sent.
    pub members: &'c Members<'c>,
    /// How its documents are read.
    pub reader: Reader,
    /// The id of the request.
    pub request_id: &'c str,
    /// Which family of SDKs calls: some answers differ.
    pub dialect: Dialect,
    /// How the caller writes our address, without a path: for addresses in answers.
    pub base_url: String,
    /// The key pair that the caller has, by its id; looked at where the session is an administrator's.
    pub key: Option<&'c str>,
}

impl<'c> Call<'c> {
    /// A call of whatever its members name.
    pub fn new(app: &'c App, session: Session, members: &'c Members<'c>, origin: Origin<'c>) -> Call<'c> {
        let reader = Reader::new(session.now);
        let Origin { request_id, dialect, base_url, key } = origin;
        Call { app, session, members, reader, request_id, dialect, base_url, key }
    }

    /// Carries out a command for the caller.
    ///
    /// # Errors
    /// Whatever the command meets.
    pub async fn run(&self, command: Command) -> Result<Reply> {
        self.app.run(&self.session, command).await
    }

    /// Carries out the action of a name, for whoever the session belongs to.
    ///
    /// # Errors
    /// `NotSupported` for an unknown action, and as for [`Call::carry_out`].
    pub async fn perform(self, name: &str) -> Result<Vec<u8>> {
        let rows = if self.dialect == Dialect::Wx { database::wx::CALLS } else { ACTIONS };
        let Some(row) = rows.iter().find(|row| row.name == name) else {
            return Err(Error::new(Code::NotSupported, format!("there is no action {name:?}")));
        };
        self.carry_out(row).await
    }

    /// Carries out an action.
    ///
    /// # Errors
    /// `PermissionDenied` where the caller may not call it, and what it meets.
    pub async fn carry_out(mut self, row: &ActionRow) -> Result<Vec<u8>> {
        if row.joins {
            self.session.transaction = database::transaction::named(self.members)?;
        }
        if self.session.transaction.is_some() || !row.joins {
            self.session.key = self.key.map(Arc::from);
        }
        if !row.gate.admits(&self.session.caller) {
            return Err(Error::new(Code::PermissionDenied, format!("{} is for key pairs only", row.name)));
        }
        match &row.run {
            Run::Here(run) => run(&self).await,
            Run::Missing(code) => self.not_offered(row.name, code),
        }
    }

    fn not_offered(&self, name: &str, code: &str) -> Result<Vec<u8>> {
        let message = format!("{name} is not supported by this server");
        if matches!(self.dialect, Dialect::Wx | Dialect::Rest) {
            return Err(Error::new(Code::NotSupported, message));
        }
        let mut answer = self.answer();
        answer.text("code", code);
        answer.text("message", &message);
        Ok(answer.finish())
    }

    /// An answer with nothing in it yet but what every one has.
    pub fn answer(&self) -> Answer {
        match self.dialect {
            Dialect::Wx => wx_answer(0, "ok"),
            Dialect::Rest => Answer::bare(),
            _ => Answer::new(self.request_id),
        }
    }
}

impl Gate {
    /// May this caller pass?
    pub const fn admits(self, caller: &Caller) -> bool {
        match self {
            Gate::Guest => true,
            Gate::Admin => matches!(caller, Caller::Admin),
        }
    }
}

const fn row(name: &'static str, gate: Gate, run: Run, help: &'static str) -> ActionRow {
    ActionRow { name, gate, joins: true, run, help }
}

/// A row whose calls are about a transaction, not in it.
const fn outside(name: &'static str, run: Run, help: &'static str) -> ActionRow {
    ActionRow { name, gate: Gate::Guest, joins: false, run, help }
}

const fn missing(name: &'static str, code: &'static str, help: &'static str) -> ActionRow {
    ActionRow { name, gate: Gate::Guest, joins: false, run: Run::Missing(code), help }
}

const ACTION: &str = "INVALID_ACTION";

/// Every action, the most frequent first.
pub const ACTIONS: &[ActionRow] = &[
    row("database.getDocument", Gate::Guest, here!(database::get), "documents of a query or by id"),
    row("database.modifyDocument", Gate::Guest, here!(database::modify), "changes or replaces documents"),
    row("database.insertDocument", Gate::Guest, here!(database::insert), "new documents"),
    row("database.calculateDocument", Gate::Guest, here!(database::count), "how many documents match"),
    row("database.removeDocument", Gate::Guest, here!(database::remove), "removes documents"),
    row("database.aggregateDocuments", Gate::Guest, here!(database::aggregate), "the result of a pipeline"),
    row(
        "database.modifyAndReturnDoc",
        Gate::Guest,
        here!(database::modify_and_return),
        "changes one document, returns it",
    ),
    row("database.addCollection", Gate::Admin, here!(database::add_collection), "makes a collection"),
    outside("database.startTransaction", here!(database::transaction::start), "opens a transaction"),
    outside("database.commitTransaction", here!(database::transaction::commit), "makes its writes visible"),
    outside("database.abortTransaction", here!(database::transaction::abort), "forgets its writes"),
    row("database.queryDocument", Gate::Guest, here!(database::first::query), "first generation: documents"),
    row("database.addDocument", Gate::Guest, here!(database::first::add), "first generation: a new document"),
    row("database.countDocument", Gate::Guest, here!(database::count), "first generation: how many match"),
    row("database.updateDocument", Gate::Guest, here!(database::first::update), "first generation: changes documents"),
    row("database.deleteDocument", Gate::Guest, here!(database::remove), "first generation: removes documents"),
    row("database.aggregate", Gate::Guest, here!(database::first::aggregate), "first generation: a pipeline"),
    row(
        "database.getInTransaction",
        Gate::Guest,
        here!(database::first::get_in_transaction),
        "first generation: one document in a transaction",
    ),
    row(
        "database.insertDocInTransaction",
        Gate::Guest,
        here!(database::first::insert_in_transaction),
        "first generation: a new document in a transaction",
    ),
    row(
        "database.updateDocInTransaction",
        Gate::Guest,
        here!(database::first::update_in_transaction),
        "first generation: changes a document in a transaction",
    ),
    row(
        "database.deleteDocInTransaction",
        Gate::Guest,
        here!(database::first::delete_in_transaction),
        "first generation: removes a document in a transaction",
    ),
    outside("functions.invokeFunction", here!(functions::invoke), "runs a cloud function"),
    outside("storage.getUploadMetadata", here!(storage::upload_metadata), "where to upload a file"),
    outside("storage.batchGetDownloadUrl", here!(storage::download_urls), "addresses of files"),
    outside("storage.batchDeleteFile", here!(storage::remove), "removes files"),
    outside("storage.batchCopyFile", here!(storage::copy), "copies files"),
    outside("storage.getFileAuthority", here!(storage::authority), "may the user read these files"),
    outside("auth.wsWebSign", here!(auth::sign_socket), "a ticket and the address for a socket to watch on"),
    outside("auth.signInAnonymously", here!(identity::anonymous), "signs in somebody who does not say who it is"),
    outside("auth.signIn", here!(identity::sign_in), "signs in with a name and a password"),
    outside("auth.signInWithTicket", here!(identity::ticket), "signs in a user whom the own server vouches for"),
    outside(
        "auth.fetchAccessTokenWithRefreshToken",
        here!(identity::access_token),
        "a new access token for a refresh token",
    ),
    outside("auth.logout", here!(identity::sign_out), "ends a login"),
    outside("auth.getUserInfo", here!(identity::user_info), "the caller's own account"),
    outside("auth.updateUserInfo", here!(identity::update_info), "what users say about themselves"),
    outside("auth.isUsernameRegistered", here!(identity::is_registered), "has somebody this username"),
    outside("auth.updateUsername", here!(identity::update_username), "another username"),
    outside("auth.updatePassword", here!(identity::update_password), "another password"),
    outside("auth.linkWithTicket", here!(identity::link_ticket), "joins the own server's account to the caller's"),
    outside("auth.getLinkedUidList", here!(identity::linked), "the accounts that belong to the caller"),
    row("auth.getUserInfoForAdmin", Gate::Admin, here!(identity::user_info_for_admin), "a user's account"),
    missing("analytics.report", ACTION, "takes usage figures"),
    missing("wx.api", ACTION, "a call to WeChat"),
    missing("wx.openApi", ACTION, "a call to WeChat"),
    missing("wx.wxPayApi", ACTION, "a call to WeChat Pay"),
    missing("wx.wxCallContainerApi", ACTION, "a call to WeChat's containers"),
    missing("ai.invokeAI", ACTION, "a call to a language model"),
];

/// A reply of another kind than the command asks for: a fault of ours.
fn unexpected(reply: &Reply) -> Error {
    Error::new(Code::Internal, format!("a command was answered with {reply:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_helped() {
        let mut names: Vec<_> = ACTIONS.iter().map(|row| row.name).collect();
        assert!(ACTIONS.iter().all(|row| !row.help.is_empty()));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
