//! Answers for people: tables and sizes. With `--json` none of this is used.

use std::io::{self, Write};

use serde_json::Value;

/// Prints an answer as it is, for programs.
pub fn json(answer: &Value) {
    line(&answer.to_string());
}

/// Prints a line; where nobody reads any more, that is no fault of ours.
pub fn line(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// A column of a table: where its value stands, what it is called, how it reads.
pub struct Column(pub &'static str, pub &'static str, pub Reads);

/// How a value reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// As it is.
    Plain,
    /// A number of bytes.
    Bytes,
    /// Milliseconds since 1970.
    Instant,
}

/// Prints rows as a table; `none` if there are none.
pub fn table(rows: &[Value], columns: &[Column], none: &str) {
    if rows.is_empty() {
        return line(none);
    }
    let head: Vec<String> = columns.iter().map(|Column(_, title, _)| (*title).to_owned()).collect();
    let body = rows.iter().map(|row| columns.iter().map(|Column(name, _, reads)| cell(&row[*name], *reads)).collect());
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(body).collect();
    let width = |index: usize| lines.iter().filter_map(|cells| cells.get(index)).map(|text| text.chars().count()).max();
    let widths: Vec<usize> = (0..columns.len()).map(|index| width(index).unwrap_or(0)).collect();
    for cells in &lines {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}")).collect();
        line(padded.join("  ").trim_end());
    }
}

fn cell(value: &Value, reads: Reads) -> String {
    match (value, reads) {
        (Value::Null, _) => "-".to_owned(),
        (Value::Number(number), Reads::Bytes) => bytes(number.as_f64().unwrap_or(0.0)),
        (Value::Number(number), Reads::Instant) => instant(number.as_i64().unwrap_or(0)),
        (Value::String(text), _) => text.clone(),
        (other, _) => other.to_string(),
    }
}

fn bytes(count: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or_default();
    if unit == 0 { format!("{value} {name}") } else { format!("{value:.1} {name}") }
}

/// An instant as people read it.
pub fn instant(millis: i64) -> String {
    let instant = jiff::Timestamp::from_millisecond(millis);
    instant.map(|instant| instant.strftime("%Y-%m-%d %H:%M:%SZ").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        for (count, expect) in [(0.0, "0 B"), (1023.0, "1023 B"), (1536.0, "1.5 KiB"), (5e9, "4.7 GiB")] {
            assert_eq!(bytes(count), expect);
        }
        assert_eq!(instant(0), "1970-01-01 00:00:00Z");
    }
}
