//! Transactions: opening, committing, aborting, and belonging to one. Both wire generations share these.

use query::{Code, Command, Error, Reply, Result, TransactionId};

use crate::action::{Call, unexpected};
use crate::wire::members::Members;

/// `database.startTransaction`
pub async fn start(call: &Call<'_>) -> Result<Vec<u8>> {
    match call.run(Command::Begin).await? {
        Reply::Begun(TransactionId(id)) => {
            let mut answer = call.answer();
            answer.text("transactionId", &format!("{id:032x}"));
            Ok(answer.finish())
        }
        other => Err(unexpected(&other)),
    }
}

/// `database.commitTransaction`
pub async fn commit(call: &Call<'_>) -> Result<Vec<u8>> {
    let id = needed(call.members)?;
    call.run(Command::Commit(id)).await?;
    Ok(call.answer().finish())
}

/// `database.abortTransaction`. One that is gone already is as good as aborted: SDKs abort after a conflict that ended
/// it, and an error here would hide the conflict.
pub async fn abort(call: &Call<'_>) -> Result<Vec<u8>> {
    let aborted = match needed(call.members) {
        Ok(id) => call.run(Command::Abort(id)).await.map(drop),
        Err(error) => Err(error),
    };
    match aborted {
        Err(error) if error.code != Code::TransactionMissing => Err(error),
        _ => Ok(call.answer().finish()),
    }
}

/// The transaction that a request belongs to, if it names one.
///
/// # Errors
/// `TransactionMissing` for a text that never was an id of ours.
pub fn named(members: &Members<'_>) -> Result<Option<TransactionId>> {
    match members.text("transactionId")? {
        Some(text) if !text.is_empty() => parse(&text).map(Some).ok_or_else(gone),
        _ => Ok(None),
    }
}

/// The transaction that a request must name.
///
/// # Errors
/// `TransactionMissing` where it names none.
pub fn needed(members: &Members<'_>) -> Result<TransactionId> {
    named(members)?.ok_or_else(gone)
}

fn parse(text: &str) -> Option<TransactionId> {
    let shaped = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    shaped.then(|| u128::from_str_radix(text, 16).ok().map(TransactionId)).flatten()
}

fn gone() -> Error {
    let message = "Transaction does not exist on the server: this is no id of a transaction of this server.";
    Error::new(Code::TransactionMissing, message)
}
