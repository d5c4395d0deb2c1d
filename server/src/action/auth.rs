//! Actions about identity: so far the ticket that opens a socket.

use query::Result;

use super::Call;
use crate::realtime;
use crate::wire::codes::Dialect;

/// `tcbapi_db_get_realtime_connection`
pub async fn socket_of_wx(call: &Call<'_>) -> Result<Vec<u8>> {
    let pass = realtime::pass(call)?;
    let mut answer = call.answer();
    answer.text("env_id", &pass.env);
    answer.number("secret_version", 1);
    answer.text("sign_str", &pass.sign);
    answer.text("ws_url", &pass.url);
    Ok(answer.finish())
}

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
