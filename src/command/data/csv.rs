//! Comma-separated values to JSON lines and back.
//!
//! A dotted name makes nested objects, an empty cell no field. Cells that read as a number or as `true` and `false`
//! become one, but only where nothing about their text is lost: `007` and numbers beyond 2^53 stay texts.

use std::io::{self, Read, Write};

use serde_json::{Map, Number, Value};

use crate::failure::{Failure, Result};

/// JSON lines read from a CSV file.
pub struct Lines<R> {
    records: csv::StringRecordsIntoIter<R>,
    names: Vec<String>,
    line: io::Cursor<Vec<u8>>,
}

impl<R: Read> Lines<R> {
    /// Reads the first row: the names.
    ///
    /// # Errors
    /// `Refused` where there is none.
    pub fn new(source: R) -> Result<Lines<R>> {
        let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(source);
        let wrong = |fault: csv::Error| Failure::refused("INVALID_PARAM", format!("the first row: {fault}"));
        let names: Vec<String> = reader.headers().map_err(wrong)?.iter().map(|name| name.trim().to_owned()).collect();
        if names.iter().all(String::is_empty) {
            return Err(Failure::refused("INVALID_PARAM", "the first row must name the fields"));
        }
        Ok(Lines { records: reader.into_records(), names, line: io::Cursor::default() })
    }

    fn next_line(&mut self) -> io::Result<bool> {
        let Some(record) = self.records.next() else { return Ok(false) };
        let record = record.map_err(io::Error::other)?;
        let mut object = Map::new();
        for (name, cell) in self.names.iter().zip(&record).filter(|(name, cell)| !name.is_empty() && !cell.is_empty()) {
            place(&mut object, name, value(cell));
        }
        let mut line = serde_json::to_vec(&object)?;
        line.push(b'\n');
        self.line = io::Cursor::new(line);
        Ok(true)
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.line.read(buffer)?;
            if count > 0 || !self.next_line()? {
                return Ok(count);
            }
        }
    }
}

/// Puts a value where a dotted name says.
fn place(object: &mut Map<String, Value>, name: &str, value: Value) {
    let Some((first, rest)) = name.split_once('.') else {
        object.insert(name.to_owned(), value);
        return;
    };
    let inner = object.entry(first).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(inner) = inner {
        place(inner, rest, value);
    }
}

fn value(cell: &str) -> Value {
    const SAFE_INTEGER_MAX: i64 = 1 << 53;
    match cell {
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        _ => {}
    }
    if let Ok(number) = cell.parse::<i64>() {
        let whole = number.abs() <= SAFE_INTEGER_MAX && number.to_string() == cell;
        return if whole { Value::from(number) } else { Value::from(cell) };
    }
    // A text that reads as a number and as nothing else: no `inf`, no `1e5` that may be a code, no `1.50`.
    let number = cell.parse::<f64>().ok().filter(|number| number.to_string() == cell).and_then(Number::from_f64);
    number.map_or_else(|| Value::from(cell), Value::Number)
}

/// CSV rows written from JSON lines.
pub struct Rows<W: Write> {
    out: csv::Writer<W>,
    fields: Vec<String>,
}

impl<W: Write> Rows<W> {
    /// Writes the names.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn new(fields: &[String], out: W) -> Result<Rows<W>> {
        let mut out = csv::Writer::from_writer(out);
        out.write_record(fields).map_err(wrong)?;
        Ok(Rows { out, fields: fields.to_vec() })
    }

    /// Writes the document on a line.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn put(&mut self, line: &[u8]) -> Result<()> {
        let document: Value = serde_json::from_slice(line).map_err(|fault| Failure::CouldNot(fault.to_string()))?;
        self.out.write_record(self.fields.iter().map(|field| cell(&document, field))).map_err(wrong)
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn finish(mut self) -> Result<()> {
        self.out.flush().map_err(Failure::from)
    }
}

/// The value at a dotted name as a cell: texts and dates bare, objects and lists as JSON.
fn cell(document: &Value, field: &str) -> String {
    let found = field.split('.').try_fold(document, |value, name| value.get(name)).unwrap_or(&Value::Null);
    let bare = ["$date", "$oid", "$numberLong", "$numberDecimal", "$numberDouble", "$numberInt"]
        .iter()
        .find_map(|wrapper| found.get(wrapper).filter(|inner| inner.is_string()))
        .unwrap_or(found);
    match bare {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn wrong(fault: csv::Error) -> Failure {
    Failure::CouldNot(fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_objects() {
        let csv =
            "name,n,address.city,zip,on,big\nAnn,1,Rome,007,true,9007199254740993\n\"B, \"\"b\"\"\",1.5,,12,false,-3\n";
        let mut text = String::new();
        Lines::new(csv.as_bytes()).expect("names").read_to_string(&mut text).expect("read");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        assert_eq!(
            lines,
            [
                serde_json::json!({"name": "Ann", "n": 1, "address": {"city": "Rome"}, "zip": "007", "on": true, "big": "9007199254740993"}),
                serde_json::json!({"name": "B, \"b\"", "n": 1.5, "zip": 12, "on": false, "big": -3}),
            ]
        );
        assert!(Lines::new("".as_bytes()).is_err());
        let mut text = String::new();
        assert!(Lines::new("a,b\n1\n".as_bytes()).expect("names").read_to_string(&mut text).is_err(), "a short row");
    }

    #[test]
    fn objects_become_rows() {
        let mut out = Vec::new();
        let mut rows = Rows::new(&["_id".to_owned(), "a.b".to_owned(), "t".to_owned()], &mut out).expect("names");
        rows.put(
            br#"{"_id":{"$oid":"507f1f77bcf86cd799439011"},"a":{"b":[1,2]},"t":{"$date":"2023-11-14T22:13:20.123Z"}}"#,
        )
        .expect("put");
        rows.put(br#"{"_id":"x,y"}"#).expect("put");
        rows.finish().expect("finished");
        let text = String::from_utf8(out).expect("text");
        assert_eq!(text, "_id,a.b,t\n507f1f77bcf86cd799439011,\"[1,2]\",2023-11-14T22:13:20.123Z\n\"x,y\",,\n");
    }
}
