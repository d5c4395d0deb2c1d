//! Links: texts that let whoever holds them read or write one file for some time.
//!
//! A link carries what it allows and a signature over that; nothing is remembered. Its key is made from the key of the
//! data folder, so links of one server open nothing on another.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use storage::EnvId;

/// Makes and reads links.
pub struct Links(Hmac<Sha256>);

/// What a link allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allows {
    /// Reading the file.
    Read,
    /// Storing a file in its place.
    Write,
}

/// A link, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it allows.
    pub allows: Allows,
    /// The environment.
    pub env: EnvId,
    /// The file's path.
    pub path: String,
    /// Whose file it becomes; empty for administrators.
    pub owner: String,
    /// When it ends, in milliseconds since 1970.
    pub ends_ms: i64,
}

/// Why a link opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoLink {
    /// It was not made by this server, or was altered.
    Foreign,
    /// Its time is over.
    Ended,
}

/// Bytes of a signature: enough that nobody guesses one.
const MAC_BYTES: usize = 20;
/// Bytes before the path: what it allows, environment, end, length of the owner's name.
const HEAD_BYTES: usize = 1 + 4 + 8 + 2;

impl Links {
    pub(super) fn new(key: [u8; 32]) -> Links {
        // A key of any length is a key.
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        Links(Hmac::new_from_slice(&key).expect("a key"))
    }

    /// The link as text: letters, digits, `-` and `_` only.
    pub fn make(&self, link: &Link) -> String {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + link.owner.len() + link.path.len() + MAC_BYTES);
        bytes.push(u8::from(link.allows == Allows::Write));
        bytes.extend_from_slice(&link.env.0.to_be_bytes());
        bytes.extend_from_slice(&link.ends_ms.to_be_bytes());
        bytes.extend_from_slice(&u16::try_from(link.owner.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend_from_slice(link.owner.as_bytes());
        bytes.extend_from_slice(link.path.as_bytes());
        let signature = self.0.clone().chain_update(&bytes).finalize().into_bytes();
        bytes.extend(signature.into_iter().take(MAC_BYTES));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a link that allows something and has not ended.
    ///
    /// # Errors
    /// Why it opens nothing.
    pub fn read(&self, text: &str, allows: Allows, now_ms: i64) -> Result<Link, NoLink> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NoLink::Foreign)?;
        let split = bytes.len().checked_sub(MAC_BYTES).ok_or(NoLink::Foreign)?;
        let (signed, signature) = bytes.split_at(split);
        let checked = self.0.clone().chain_update(signed).verify_truncated_left(signature);
        checked.map_err(|_| NoLink::Foreign)?;
        let link = parse(signed).filter(|link| link.allows == allows).ok_or(NoLink::Foreign)?;
        if now_ms >= link.ends_ms {
            return Err(NoLink::Ended);
        }
        Ok(link)
    }
}

fn parse(signed: &[u8]) -> Option<Link> {
    let (head, names) = signed.split_first_chunk::<HEAD_BYTES>()?;
    let ([allows], rest) = head.split_first_chunk::<1>()?;
    let (env, rest) = rest.split_first_chunk::<4>()?;
    let (ends, rest) = rest.split_first_chunk::<8>()?;
    let owner_bytes = usize::from(u16::from_be_bytes(*rest.first_chunk::<2>()?));
    let (owner, path) = names.split_at_checked(owner_bytes)?;
    Some(Link {
        allows: if *allows == 1 { Allows::Write } else { Allows::Read },
        env: EnvId(u32::from_be_bytes(*env)),
        path: String::from_utf8(path.to_vec()).ok()?,
        owner: String::from_utf8(owner.to_vec()).ok()?,
        ends_ms: i64::from_be_bytes(*ends),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_links_of_this_server_open_something() {
        let (links, others) = (Links::new([7; 32]), Links::new([8; 32]));
        let link = Link {
            allows: Allows::Write,
            env: EnvId(3),
            path: "dir/图.png".to_owned(),
            owner: "oABC".to_owned(),
            ends_ms: 1000,
        };
        let text = links.make(&link);
        assert_eq!(links.read(&text, Allows::Write, 999).as_ref(), Ok(&link));
        assert_eq!(links.read(&text, Allows::Write, 1000), Err(NoLink::Ended));
        assert_eq!(links.read(&text, Allows::Read, 999), Err(NoLink::Foreign));
        assert_eq!(others.read(&text, Allows::Write, 999), Err(NoLink::Foreign));
        let bytes = URL_SAFE_NO_PAD.decode(&text).expect("letters");
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut altered = bytes.clone();
                altered[place] ^= 1 << bit;
                let altered = URL_SAFE_NO_PAD.encode(altered);
                assert_eq!(links.read(&altered, Allows::Write, 999), Err(NoLink::Foreign), "byte {place}");
            }
            assert!(links.read(&URL_SAFE_NO_PAD.encode(&bytes[..place]), Allows::Write, 999).is_err());
        }
    }
}
