//! `data`: documents into and out of a collection, as files of any length.

mod csv;

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::env::rows;
use crate::cli::{DataVerb, Export, Format, Import, InCollection, Mode};
use crate::client::{Target, part};
use crate::failure::{Failure, Result};
use crate::show;

/// Does a verb on data.
///
/// # Errors
/// What the server answers; `Refused` where records could not be taken.
pub fn run(target: &Target, verb: DataVerb, as_json: bool) -> Result<()> {
    match verb {
        DataVerb::Import(import) => take_in(target, &import, as_json),
        DataVerb::Export(export) => write_out(target, &export, as_json),
    }
}

fn take_in(target: &Target, import: &Import, as_json: bool) -> Result<()> {
    let (file, bar) = open(&import.file, as_json)?;
    let source = bar.wrap_read(file);
    let mode = match import.mode {
        Mode::Insert => "insert",
        Mode::Upsert => "upsert",
    };
    let path = format!("{}/import?mode={mode}&stopOnError={}", path(&import.within), import.stop_on_error);
    let report = match import.format.unwrap_or_else(|| format_of(&import.file)) {
        Format::Jsonl => target.upload(&path, source)?,
        Format::Csv => target.upload(&path, csv::Lines::new(source)?)?,
    };
    bar.finish_and_clear();
    tell_report(&report, as_json)
}

fn tell_report(report: &Value, as_json: bool) -> Result<()> {
    let count = |name: &str| report[name].as_u64().unwrap_or(0);
    if as_json {
        show::json(report);
    } else {
        let counts = ["read", "inserted", "updated", "failed"].map(|name| format!("{} {name}", count(name)));
        show::line(&counts.join(", "));
        for fault in rows(report, "faults") {
            let message = fault["message"].as_str().unwrap_or_default();
            show::line(&format!("  record {}: {message}", fault["record"]));
        }
    }
    match (count("failed"), report["stopped"].as_bool()) {
        (0, _) => Ok(()),
        (_, Some(true)) => Err(Failure::refused("RECORD_REFUSED", "stopped at a record that cannot be taken")),
        (failed, _) => Err(Failure::refused("RECORDS_REFUSED", format!("{failed} records could not be taken"))),
    }
}

fn write_out(target: &Target, export: &Export, as_json: bool) -> Result<()> {
    let format = export.format.unwrap_or_else(|| format_of(&export.file));
    if format == Format::Csv && export.fields.is_empty() {
        return Err(Failure::refused("INVALID_PARAM", "CSV has one column for each field: name them with --fields"));
    }
    let mut query = vec![format!("canonical={}", export.canonical)];
    query.extend(export.query.as_ref().map(|filter| format!("query={}", part(filter))));
    if !export.fields.is_empty() {
        query.push(format!("fields={}", part(&export.fields.join(","))));
    }
    let stream = target.download(&format!("{}/export?{}", path(&export.within), query.join("&")))?;
    let documents = match export.file.to_str() {
        Some("-") => copy(stream, &mut io::stdout().lock(), export, format, &ProgressBar::hidden())?,
        _ => to_file(stream, export, format, as_json)?,
    };
    if export.file.to_str() != Some("-") {
        let text = format!("{documents} documents in {}", export.file.display());
        super::env::tell(&serde_json::json!({"documents": documents}), &text, as_json);
    }
    Ok(())
}

/// Writes under another name first: a file of the right name is whole.
fn to_file(stream: impl Read, export: &Export, format: Format, as_json: bool) -> Result<u64> {
    let mut unfinished = export.file.clone().into_os_string();
    unfinished.push(".part");
    let bar = if as_json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} documents {elapsed}") {
        bar.set_style(style);
    }
    let mut file = BufWriter::new(File::create(&unfinished)?);
    let documents = copy(stream, &mut file, export, format, &bar)?;
    file.flush()?;
    file.get_ref().sync_all()?;
    std::fs::rename(&unfinished, &export.file)?;
    bar.finish_and_clear();
    Ok(documents)
}

fn copy(stream: impl Read, out: &mut dyn Write, export: &Export, format: Format, bar: &ProgressBar) -> Result<u64> {
    let mut writer = match format {
        Format::Csv => Out::Csv(Box::new(csv::Rows::new(&export.fields, out)?)),
        Format::Jsonl => Out::Lines(out),
    };
    let mut lines = BufReader::with_capacity(1 << 20, stream);
    let mut line = Vec::new();
    let mut documents = 0;
    while lines.read_until(b'\n', &mut line).map_err(broken)? > 0 {
        writer.put(&line)?;
        line.clear();
        documents += 1;
        bar.inc(1);
    }
    writer.finish()?;
    Ok(documents)
}

/// Where documents go.
enum Out<'o> {
    Lines(&'o mut dyn Write),
    Csv(Box<csv::Rows<&'o mut dyn Write>>),
}

impl Out<'_> {
    fn put(&mut self, line: &[u8]) -> Result<()> {
        match self {
            Out::Lines(out) => out.write_all(line).map_err(Failure::from),
            Out::Csv(rows) => rows.put(line),
        }
    }

    fn finish(self) -> Result<()> {
        match self {
            Out::Lines(out) => out.flush().map_err(Failure::from),
            Out::Csv(rows) => rows.finish(),
        }
    }
}

fn path(within: &InCollection) -> String {
    format!("/envs/{}/collections/{}", part(&within.within.env), part(&within.collection))
}

fn open(file: &Path, as_json: bool) -> Result<(Box<dyn Read + Send>, ProgressBar)> {
    if file.to_str() == Some("-") {
        return Ok((Box::new(io::stdin()), ProgressBar::hidden()));
    }
    let opened = File::open(file).map_err(|fault| Failure::CouldNot(format!("{}: {fault}", file.display())))?;
    let length = opened.metadata()?.len();
    let bar = if as_json { ProgressBar::hidden() } else { ProgressBar::new(length) };
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}") {
        bar.set_style(style);
    }
    Ok((Box::new(opened), bar))
}

fn format_of(file: &Path) -> Format {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some(ending) if ending.eq_ignore_ascii_case("csv") => Format::Csv,
        _ => Format::Jsonl,
    }
}

fn broken(fault: io::Error) -> Failure {
    Failure::CouldNot(format!("the export broke off: {fault}"))
}
