//! How our records are written: a version, then postcard. The only place that knows.

use query::{Code, Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A key pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The secret, sealed.
    pub sealed: Vec<u8>,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it ends, if it does.
    pub expires_ms: Option<i64>,
    /// The administrator's own words.
    pub note: String,
}

/// What an environment may use beyond the defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsRecord {
    /// Names and values that differ from the defaults.
    pub values: Vec<(String, u64)>,
}

/// A token of an administrator. The token itself is nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// The administrator's own words.
    pub note: String,
}

const VERSION: u8 = 1;

/// Writes a record.
///
/// # Errors
/// `Internal`; it cannot occur with the records above.
pub fn encode<R: Serialize>(record: &R) -> Result<Vec<u8>> {
    let bytes = postcard::to_extend(record, vec![VERSION]);
    bytes.map_err(|fault| Error::new(Code::Internal, format!("a record could not be written: {fault}")))
}

/// Reads a record.
///
/// # Errors
/// `Corrupt` where it is damaged or newer than this program.
pub fn decode<R: DeserializeOwned>(bytes: &[u8]) -> Result<R> {
    let damaged = |what: String| Error::new(Code::Corrupt, format!("a record of the server is unreadable: {what}"));
    match bytes.split_first() {
        Some((&VERSION, record)) => postcard::from_bytes(record).map_err(|fault| damaged(fault.to_string())),
        Some((version, _)) => Err(damaged(format!("it has version {version}, this program reads {VERSION}"))),
        None => Err(damaged("it is empty".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_and_damage_is_told() {
        let record = KeyRecord { sealed: vec![1, 2], created_ms: -5, expires_ms: Some(7), note: "é".to_owned() };
        let bytes = encode(&record).expect("written");
        assert_eq!(decode::<KeyRecord>(&bytes).expect("read"), record);
        for cut in 0..bytes.len() {
            assert!(decode::<KeyRecord>(&bytes[..cut]).is_err(), "{cut}");
        }
        let newer = [&[2], &bytes[1..]].concat();
        assert!(decode::<KeyRecord>(&newer).is_err_and(|error| error.message.contains("version 2")));
    }
}
