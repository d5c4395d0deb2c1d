//! `doctor`: does the store hold what it should?

use super::env::rows;
use crate::client::Target;
use crate::failure::{Failure, Result};
use crate::show;

/// Checks the store.
///
/// # Errors
/// `Refused` where a fault is found.
pub fn run(target: &Target, as_json: bool) -> Result<()> {
    let report = target.get("/doctor")?;
    let findings = rows(&report, "findings");
    if as_json {
        show::json(&report);
    } else {
        let count = |name: &str| report[name].as_u64().unwrap_or(0);
        show::line(&format!(
            "checked {} collections, {} documents, {} index entries",
            count("collections"),
            count("documents"),
            count("indexEntries")
        ));
        for finding in findings {
            let text = |name: &str| finding[name].as_str().unwrap_or_default();
            show::line(&format!("  {}: {}", text("place"), text("fault")));
        }
    }
    match findings.len() {
        0 => Ok(()),
        count => Err(Failure::refused(
            "FAULTS_FOUND",
            format!("{count} faults; restore a backup, or rebuild the indexes named"),
        )),
    }
}
