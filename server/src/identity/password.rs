//! Passwords: argon2id, with a salt of its own for each, compared in constant time.

use argon2::{Algorithm, Argon2, Params, Version};
use query::{Code, Error, Result};
use subtle::ConstantTimeEq;

use super::record::PasswordRecord;
use crate::chance;

/// OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 << 10;
const PASSES: u32 = 2;
/// Characters of a password. There is no use in more, and hashing long texts costs.
pub const LENGTH: std::ops::RangeInclusive<usize> = 8..=256;

/// What to keep of a password. Takes tens of milliseconds by intent.
///
/// # Errors
/// `Internal` without randomness.
pub fn keep(password: &str) -> Result<PasswordRecord> {
    let mut record = PasswordRecord { salt: chance::bytes()?, hash: [0; 32], memory_kib: MEMORY_KIB, passes: PASSES };
    record.hash = hash(password, &record)?;
    Ok(record)
}

/// Is it this password? Without a record the same time passes, so that nobody learns whether there is one.
///
/// # Errors
/// `Internal`.
pub fn check(password: &str, kept: Option<&PasswordRecord>) -> Result<bool> {
    let decoy = PasswordRecord { salt: [0; 16], hash: [0; 32], memory_kib: MEMORY_KIB, passes: PASSES };
    let record = kept.unwrap_or(&decoy);
    let same = hash(password, record)?.ct_eq(&record.hash);
    Ok(bool::from(same) && kept.is_some())
}

fn hash(password: &str, record: &PasswordRecord) -> Result<[u8; 32]> {
    let fault = |fault: argon2::Error| Error::new(Code::Internal, format!("a password could not be hashed: {fault}"));
    let params = Params::new(record.memory_kib, record.passes, 1, Some(32)).map_err(fault)?;
    let mut out = [0; 32];
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into(password.as_bytes(), &record.salt, &mut out).map_err(fault)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_password_passes() {
        let kept = keep("correct horse").expect("kept");
        assert!(check("correct horse", Some(&kept)).expect("checked"));
        assert!(!check("correct horsf", Some(&kept)).expect("checked"));
        assert!(!check("correct horse", None).expect("checked"));
        assert_ne!(keep("correct horse").expect("kept").hash, kept.hash, "the salt differs");
    }
}
