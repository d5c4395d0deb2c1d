//! The pages of the manual that follow from tables of this crate and those below; see `query::reference`.

use query::reference::{MADE_FROM_CODE, code, section};
use query::{Code, Fault, Limits};

use crate::action::database::{rest, wx};
use crate::action::{ACTIONS, ActionRow, Gate, Run};
use crate::config::Config;
use crate::wire::codes::{Dialect, spell};
use crate::wire::ejson::WRAPPERS;

/// `docs/actions.md`: what SDKs can call, and how values are written in calls.
pub fn actions_page() -> String {
    let mut page = format!(
        "# Actions\n\n{MADE_FROM_CODE}\n\nServer SDKs call `/admin`, client SDKs `/web`; both name an action in the \
         body. `wx.cloud` has calls of its own, and newer client SDKs a REST interface. What a caller may reach is \
         decided by the rules; *keys* marks actions that only key pairs may call at all.\n"
    );
    let heads = ["action", "offered", "callers", "what it does"];
    section(&mut page, "Actions on `/admin` and `/web`", &heads, ACTIONS.iter().map(action));
    section(&mut page, "Calls of `wx.cloud` on `/__wx__/jsoperatewxdata`", &heads, wx::CALLS.iter().map(action));
    section(&mut page, &format!("REST interface behind `{}`", rest::BASE), &heads, rest::CALLS.iter().map(action));
    section(&mut page, "Values in Extended JSON", &["wrapper", "what stands in it"], {
        WRAPPERS.iter().map(|(name, content)| vec![code(name), (*content).to_owned()])
    });
    page
}

fn action(row: &ActionRow) -> Vec<String> {
    let callers = if row.gate == Gate::Admin { "keys" } else { "all" };
    let offered = if matches!(row.run, Run::Here(_)) { "yes" } else { "no" };
    vec![code(row.name), offered.to_owned(), callers.to_owned(), row.help.to_owned()]
}

/// `docs/errors.md`: every code, how each dialect spells it, what causes it and what helps.
pub fn errors_page() -> String {
    let mut page = format!(
        "# Errors\n\n{MADE_FROM_CODE}\n\nEvery error has one code inside the server. Each family of callers gets it in \
         the spelling that its SDKs know: server SDKs as text (`wx-server-sdk` shows the number), `/web` as text, \
         `wx.cloud` as number, `/v1` as status and text, the admin interface under its own name. The message always \
         says what was expected, what came, and what to do.\n"
    );
    section(&mut page, "Causes and remedies", &["code", "whose", "cause", "remedy"], {
        Code::ALL.iter().map(|known| {
            let whose = match known.fault() {
                Fault::Caller => "caller",
                Fault::Policy => "policy",
                Fault::Capacity => "capacity",
                Fault::Server => "server",
            };
            let own = code(spell(*known, Dialect::Own).text);
            vec![own, whose.to_owned(), known.help().to_owned(), known.remedy().to_owned()]
        })
    });
    let heads = ["code", "server SDKs", "number", "`/web`", "`wx.cloud`", "`/v1`", "admin interface"];
    section(&mut page, "Spellings", &heads, {
        Code::ALL.iter().map(|known| {
            let said = |dialect| spell(*known, dialect);
            let (own, admin, rest) = (said(Dialect::Own), said(Dialect::Admin), said(Dialect::Rest));
            vec![
                code(own.text),
                code(admin.text),
                admin.number.to_string(),
                code(said(Dialect::Web).text),
                said(Dialect::Wx).number.to_string(),
                format!("{} {}", rest.status, code(rest.text)),
                own.status.to_string(),
            ]
        })
    });
    page
}

/// `docs/limits.md`: what an environment may use, what the server bears, what the format allows.
pub fn limits_page() -> String {
    let mut page = format!(
        "# Limits\n\n{MADE_FROM_CODE}\n\nNames end in their unit: `_ms` are milliseconds, `_bytes_max` are bytes, all \
         else are counts. A request beyond a limit is refused with an error that names the limit; nothing is cut off \
         silently but rows beyond the greatest limit of a query.\n"
    );
    let title = "Of an environment (`waferdb env limits NAME KEY=VALUE`)";
    section(&mut page, title, &["limit", "default", "meaning"], {
        Limits::TABLE.iter().map(|(name, default, help)| vec![code(name), amount(name, *default), (*help).to_owned()])
    });
    section(&mut page, "Of the server", &["setting", "default", "meaning"], {
        Config::TABLE.iter().map(|(name, default, help)| vec![code(name), (*default).to_owned(), (*help).to_owned()])
    });
    section(&mut page, "Of the format: the same for everybody", &["limit", "value", "meaning"], {
        storage::limits::TABLE.iter().map(|(name, value, help)| {
            let name = name.to_lowercase();
            vec![code(&name), amount(&name, *value as u64), (*help).to_owned()]
        })
    });
    page
}

/// A number with its unit, in the largest unit that leaves it whole.
fn amount(name: &str, number: u64) -> String {
    match number {
        _ if name.contains("bytes") && number.is_multiple_of(1 << 20) => format!("{} MiB", number >> 20),
        _ if name.contains("bytes") && number.is_multiple_of(1 << 10) => format!("{} KiB", number >> 10),
        _ if name.contains("bytes") => format!("{number} B"),
        _ if name.ends_with("_ms") && number.is_multiple_of(1000) => format!("{} s", number / 1000),
        _ if name.ends_with("_ms") => format!("{number} ms"),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units() {
        assert_eq!(amount("a_bytes_max", 3 << 20), "3 MiB");
        assert_eq!(amount("a_bytes_max", 1 << 10), "1 KiB");
        assert_eq!(amount("a_bytes_max", 1001), "1001 B");
        assert_eq!(amount("life_ms", 1500), "1500 ms");
        assert_eq!(amount("life_ms", 30_000), "30 s");
        assert_eq!(amount("rows_max", 2048), "2048");
    }

    #[test]
    fn every_table_is_on_its_page() {
        assert!(actions_page().contains("| `database.getDocument` | yes | all |"));
        assert!(errors_page().contains("| `COLLECTION_MISSING` | `DATABASE_COLLECTION_NOT_EXIST` | -502005 |"));
        assert!(limits_page().contains("| `doc_bytes_max` | 16 MiB |"));
    }
}
