//! Splits a stream of bytes into JSON objects: what import files hold.
//!
//! Objects follow each other, on lines of their own or over several lines; commas between them and a list around them
//! are taken in stride. Only the borders are found here; what is inside is read by `ejson`.

use query::{Code, Error, Result};

/// Finds the objects in bytes that arrive piece by piece.
#[derive(Debug)]
pub struct Splitter {
    buffer: Vec<u8>,
    /// Bytes of the buffer that were looked at.
    looked: usize,
    depth: u32,
    text: Text,
    bytes_max: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Outside,
    Inside,
    Escape,
}

impl Splitter {
    /// A splitter that refuses objects beyond so many bytes.
    pub const fn new(bytes_max: usize) -> Splitter {
        Splitter { buffer: Vec::new(), looked: 0, depth: 0, text: Text::Outside, bytes_max }
    }

    /// Takes more bytes; every object that ends in them goes to `found`.
    ///
    /// # Errors
    /// `InvalidParam` where something stands between the objects, `TooLarge` for an object beyond the bound, or what
    /// `found` answers.
    pub fn push(&mut self, bytes: &[u8], mut found: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        let mut start = 0;
        while let Some(&byte) = self.buffer.get(self.looked) {
            self.looked += 1;
            if self.step(byte)? {
                if self.depth == 0 && byte == b'}' {
                    found(self.buffer.get(start..self.looked).unwrap_or_default())?;
                }
                start = if self.depth == 0 { self.looked } else { start };
            }
        }
        self.buffer.drain(..start);
        self.looked -= start;
        if self.buffer.len() > self.bytes_max {
            return Err(Error::new(Code::TooLarge, format!("a record is larger than {} bytes", self.bytes_max)));
        }
        Ok(())
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// `InvalidParam` where it ends within an object.
    pub fn finish(&self) -> Result<()> {
        if self.depth == 0 {
            return Ok(());
        }
        Err(Error::new(Code::InvalidParam, "the file ends within a record"))
    }

    /// Takes one byte; answers whether it stands outside of texts and could be a border.
    fn step(&mut self, byte: u8) -> Result<bool> {
        match (self.text, byte) {
            (Text::Escape, _) => self.text = Text::Inside,
            (Text::Inside, b'\\') => self.text = Text::Escape,
            (Text::Inside, b'"') => self.text = Text::Outside,
            (Text::Inside, _) => {}
            (Text::Outside, b'{') => self.depth += 1,
            (Text::Outside, b'}') if self.depth > 0 => {
                self.depth -= 1;
                return Ok(true);
            }
            (Text::Outside, b'"') if self.depth > 0 => self.text = Text::Inside,
            (Text::Outside, b' ' | b'\t' | b'\r' | b'\n' | b',' | b'[' | b']') => return Ok(self.depth == 0),
            // The mark that some editors put at the start of a file.
            (Text::Outside, 0xEF | 0xBB | 0xBF) if self.depth == 0 => return Ok(true),
            (Text::Outside, _) if self.depth == 0 => {
                let found = char::from(byte);
                return Err(Error::new(Code::InvalidParam, format!("expected an object, found {found:?}")));
            }
            (Text::Outside, _) => {}
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str, step: usize) -> Result<Vec<String>> {
        let mut splitter = Splitter::new(1000);
        let mut found = Vec::new();
        for piece in text.as_bytes().chunks(step) {
            splitter.push(piece, |record| {
                found.push(String::from_utf8_lossy(record).into_owned());
                Ok(())
            })?;
        }
        splitter.finish().map(|()| found)
    }

    #[test]
    fn finds_objects_however_they_arrive() {
        let objects = [r#"{"a":1}"#, "{\n \"b\": {\"c\": \"}{\\\"\"}\n}", "{}"];
        for text in [objects.join("\n"), objects.join(""), format!("\u{FEFF}[{}]\n", objects.join(", "))] {
            for step in [1, 2, 3, 7, 1000] {
                assert_eq!(split(&text, step).expect(&text), objects, "{step}");
            }
        }
        assert!(split("", 1).expect("empty").is_empty());
    }

    #[test]
    fn refuses_what_is_no_object() {
        for text in ["5", "{} x {}", "\"a\"", "{\"a\":1", "}"] {
            assert_eq!(split(text, 1).expect_err(text).code, Code::InvalidParam);
        }
        assert_eq!(split(&format!("{{\"a\":\"{}\"}}", "x".repeat(2000)), 100).expect_err("large").code, Code::TooLarge);
    }
}
