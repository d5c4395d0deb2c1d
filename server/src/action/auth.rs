//! Actions about identity: so far the ticket that opens a socket.

use query::Result;

use super::Call;
use crate::realtime;
use crate::wire::codes::Dialect;

/// `auth.wsWebSign`
pub async fn sign_socket(call: &Call<'_>) -> Result<Vec<u8>> {
    let pass = realtime::pass(call)?;
    let mut answer = call.answer();
    answer.object("data", |data| {
        data.text("signStr", &pass.sign);
        data.text("wsUrl", &pass.url);
        match call.dialect {
            Dialect::Admin => data.text("secretVersion", "1"),
            _ => data.number("secretVersion", 1),
        }
        data.text("envId", &pass.env);
    });
    Ok(answer.finish())
}
