//! What is known about a function: its newest version and how it is run.

use query::{Code, Error, Result};
use serde::{Deserialize, Serialize};

use crate::tenants::codec;

/// The kind of these records in the store; never reused for something else.
pub const KIND: u8 = 4;

const NAME_BYTES_MAX: usize = 60;
/// Bytes of all variables of one function together.
const VARIABLES_BYTES_MAX: usize = 4096;

/// A function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionRecord {
    /// The folder of its code.
    pub version: String,
    /// How often it was deployed.
    pub number: u64,
    /// When it was deployed, in milliseconds since 1970.
    pub deployed_ms: i64,
    /// Size of its code without installed packages, in bytes.
    pub bytes: u64,
    /// How it is run.
    pub settings: Settings,
}

/// How a function is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// File and export: `index.main` is `exports.main` of `index.js`.
    pub handler: String,
    /// Seconds that one call may take, 1 to 900.
    pub timeout: u32,
    /// Memory of one process in MiB, 64 to 3072.
    pub memory_size: u32,
    /// Processes at once, 1 to 64; each carries out one call at a time.
    pub concurrency: u32,
    /// Its own variables, at most 4 KiB together.
    pub variables: Vec<(String, String)>,
    /// Are the packages of its `package.json` to be installed where the archive brings none?
    pub install: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            handler: "index.main".to_owned(),
            timeout: 20,
            memory_size: 256,
            concurrency: 10,
            variables: Vec::new(),
            install: true,
        }
    }
}

impl Settings {
    /// Is every setting in its range?
    ///
    /// # Errors
    /// `InvalidParam` with the range.
    pub fn check(&self) -> Result<()> {
        check_range("timeout", self.timeout, 1, 900)?;
        check_range("memorySize", self.memory_size, 64, 3072)?;
        check_range("concurrency", self.concurrency, 1, 64)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
        let shaped = self.handler.rsplit_once('.').is_some_and(|(file, export)| !file.is_empty() && !export.is_empty());
        if !shaped || !self.handler.bytes().all(plain) || self.handler.contains("..") || self.handler.starts_with('/') {
            return Err(invalid(format!("`handler` is file.export, such as index.main, not {:?}", self.handler)));
        }
        let bytes: usize = self.variables.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > VARIABLES_BYTES_MAX {
            return Err(invalid(format!("the variables have {bytes} bytes together, at most {VARIABLES_BYTES_MAX}")));
        }
        self.variables.iter().try_for_each(|(name, value)| check_variable(name, value))
    }
}

impl FunctionRecord {
    /// Reads a record.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn read(bytes: &[u8]) -> Result<FunctionRecord> {
        codec::decode(bytes)
    }

    /// Writes a record.
    ///
    /// # Errors
    /// `Internal`; it cannot occur.
    pub fn write(&self) -> Result<Vec<u8>> {
        codec::encode(self)
    }
}

/// May a function have this name?
///
/// # Errors
/// `InvalidParam`.
pub fn check_name(name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let shaped = name.bytes().all(plain) && name.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
    match shaped && name.len() <= NAME_BYTES_MAX {
        true => Ok(()),
        false => Err(invalid(format!(
            "{name:?} cannot name a function: use 1 to {NAME_BYTES_MAX} letters, digits, `-` and `_`, beginning with a \
             letter"
        ))),
    }
}

/// Names that decide how Node and the SDKs run stay ours.
fn check_variable(name: &str, value: &str) -> Result<()> {
    const OURS: &[&str] = &["NODE_OPTIONS", "PATH", "HOME", "LD_PRELOAD", "LD_LIBRARY_PATH"];
    const OUR_BEGINNINGS: &[&str] = &["TENCENTCLOUD_", "TCB_", "WX_", "WAFERDB_", "SCF_"];
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !plain || name.is_empty() || name.as_bytes().first().is_some_and(u8::is_ascii_digit) || value.contains('\0') {
        return Err(invalid(format!("{name:?} cannot name a variable: use letters, digits and `_`")));
    }
    match OURS.contains(&name) || OUR_BEGINNINGS.iter().any(|begin| name.starts_with(begin)) {
        true => Err(invalid(format!("the variable {name} is set by the server itself; choose another name"))),
        false => Ok(()),
    }
}

fn check_range(name: &str, value: u32, min: u32, max: u32) -> Result<()> {
    match (min..=max).contains(&value) {
        true => Ok(()),
        false => Err(invalid(format!("`{name}` must be {min} to {max}, not {value}"))),
    }
}

fn invalid(message: String) -> Error {
    Error::new(Code::InvalidParam, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_settings_have_bounds() {
        for name in ["a", "hello-World_2"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "2a", "../up", "a/b", "a b", "é", &"a".repeat(61)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        let faulty = [
            Settings { timeout: 0, ..Settings::default() },
            Settings { memory_size: 32, ..Settings::default() },
            Settings { concurrency: 65, ..Settings::default() },
            Settings { handler: "main".to_owned(), ..Settings::default() },
            Settings { handler: "../up.main".to_owned(), ..Settings::default() },
            Settings { variables: vec![("NODE_OPTIONS".to_owned(), "-r x".to_owned())], ..Settings::default() },
            Settings { variables: vec![("A".to_owned(), "x".repeat(5000))], ..Settings::default() },
        ];
        for settings in faulty {
            assert!(settings.check().is_err(), "{settings:?}");
        }
        assert!(Settings::default().check().is_ok());
    }
}
