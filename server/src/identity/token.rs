//! Access and refresh tokens as text. Pure: who may have one is decided elsewhere.
//!
//! Access tokens are JWTs because SDKs take them apart; nobody but this server verifies them, so they are signed with a
//! secret of the environment (HS256), which costs a hundredth of a key pair's signature. The header must be ours to the
//! letter: there is no algorithm to choose and no key to name. A refresh token is the login's id, a number that rises
//! with each exchange, and a mark over both: a token from an earlier exchange is recognised for what it is.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
/// Longer texts are no tokens of ours.
const BYTES_MAX: usize = 4096;

/// The secret that signs an environment's tokens.
pub type Secret = [u8; 32];

/// What an access token says. Seconds since 1970, as JWTs count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// The user's id.
    pub sub: String,
    /// For which environment.
    pub aud: String,
    /// When it ends.
    pub exp: i64,
    /// When it was made.
    pub iat: i64,
    /// `anonymous` or `user`.
    pub scope: String,
    /// The environment's name once more, under the name that SDKs read.
    pub project_id: String,
    /// How the user signed in.
    pub provider_type: String,
    /// The user's id once more.
    pub user_id: String,
    /// The login that it belongs to.
    pub sid: String,
}

/// Does a text look like an access token? Bare keys have one dot, these have two.
pub fn is_access(text: &str) -> bool {
    text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// An access token.
pub fn access(secret: &Secret, claims: &Claims) -> String {
    let content = serde_json::to_vec(claims).unwrap_or_default();
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(content));
    let mark = URL_SAFE_NO_PAD.encode(mark(secret, "access", &signed));
    format!("{signed}.{mark}")
}

/// What an access token claims, before anything of it is believed: tells whose secret to check it with.
pub fn unproved(text: &str) -> Option<Claims> {
    let mut parts = text.get(..text.len().min(BYTES_MAX + 1)).filter(|_| text.len() <= BYTES_MAX)?.split('.');
    let (header, content) = (parts.next()?, parts.next()?);
    if URL_SAFE_NO_PAD.decode(header).ok()? != HEADER.as_bytes() {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(content).ok()?).ok()
}

/// Was the access token signed with this secret?
pub fn is_signed(secret: &Secret, text: &str) -> bool {
    let Some((signed, given)) = text.rsplit_once('.') else { return false };
    let Ok(given) = URL_SAFE_NO_PAD.decode(given) else { return false };
    mark(secret, "access", signed).ct_eq(&given).into()
}

/// A refresh token.
pub fn refresh(secret: &Secret, login: &str, generation: u32) -> String {
    let content = format!("{login}.{generation}");
    format!("wrt_{content}.{}", URL_SAFE_NO_PAD.encode(mark(secret, "refresh", &content)))
}

/// Login and generation of a refresh token that was signed with this secret.
pub fn read_refresh<'t>(secret: &Secret, text: &'t str) -> Option<(&'t str, u32)> {
    let (content, given) = text.strip_prefix("wrt_")?.rsplit_once('.')?;
    let given = URL_SAFE_NO_PAD.decode(given).ok()?;
    if !bool::from(mark(secret, "refresh", content).ct_eq(&given)) {
        return None;
    }
    let (login, generation) = content.split_once('.')?;
    Some((login, generation.parse().ok()?))
}

/// What an anonymous user is taken up again with. The uid alone would not do: documents show it to others.
pub fn pass(secret: &Secret, uid: &str) -> String {
    format!("{uid}.{}", URL_SAFE_NO_PAD.encode(mark(secret, "anonymous", uid)))
}

/// The uid of a pass that was signed with this secret.
pub fn read_pass<'t>(secret: &Secret, text: &'t str) -> Option<&'t str> {
    let (uid, given) = text.rsplit_once('.')?;
    let given = URL_SAFE_NO_PAD.decode(given).ok()?;
    bool::from(mark(secret, "anonymous", uid).ct_eq(&given)).then_some(uid)
}

/// Says until when a user has just shown the password.
pub fn sudo(secret: &Secret, uid: &str, ends_ms: i64) -> String {
    let content = format!("{uid}.{ends_ms}");
    format!("{content}.{}", URL_SAFE_NO_PAD.encode(mark(secret, "sudo", &content)))
}

/// Was this said of this user, and is it not over?
pub fn is_sudo(secret: &Secret, text: &str, uid: &str, now_ms: i64) -> bool {
    let Some((content, given)) = text.rsplit_once('.') else { return false };
    let Ok(given) = URL_SAFE_NO_PAD.decode(given) else { return false };
    let genuine = bool::from(mark(secret, "sudo", content).ct_eq(&given));
    let said = content.split_once('.').and_then(|(whose, ends)| Some((whose, ends.parse::<i64>().ok()?)));
    genuine && said.is_some_and(|(whose, ends)| whose == uid && now_ms < ends)
}

/// The purpose is signed as well: a mark for one kind of token is none for another.
fn mark(secret: &Secret, purpose: &str, content: &str) -> [u8; 32] {
    // A key of any length is accepted; the error cannot occur, and nobody knows what it would answer.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return *secret };
    mac.update(purpose.as_bytes());
    mac.update(b"\n");
    mac.update(content.as_bytes());
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        let text = |text: &str| text.to_owned();
        Claims {
            iss: text("waferdb"),
            sub: text("u1"),
            aud: text("e"),
            exp: 10,
            iat: 5,
            scope: text("user"),
            project_id: text("e"),
            provider_type: text("USERNAME"),
            user_id: text("u1"),
            sid: text("l1"),
        }
    }

    /// Every byte of a text, each replaced by others.
    fn changed(text: &str) -> impl Iterator<Item = String> {
        (0..text.len()).flat_map(move |place| {
            let others = [b'A', b'_', b'.', text.as_bytes()[place] ^ 1];
            others.into_iter().filter(move |byte| *byte != text.as_bytes()[place]).map(move |byte| {
                let mut bytes = text.as_bytes().to_vec();
                bytes[place] = byte;
                String::from_utf8(bytes).expect("ASCII")
            })
        })
    }

    #[test]
    fn no_byte_of_an_access_token_can_be_changed() {
        let secret = [7; 32];
        let token = access(&secret, &claims());
        let opens = |text: &str| unproved(text).filter(|_| is_signed(&secret, text));
        assert!(is_access(&token));
        assert_eq!(opens(&token), Some(claims()));
        assert!(!is_signed(&[8; 32], &token));
        let mut count = 0;
        for forged in changed(&token) {
            assert_eq!(opens(&forged), None, "{forged}");
            count += 1;
        }
        assert!(count > token.len() * 3);
        for text in ["", "eyJ..", "a.b.c", &token[1..], &token[..token.len() - 1], &format!("{token}A")] {
            assert_eq!(opens(text), None, "{text}");
        }
    }

    #[test]
    fn no_byte_of_a_refresh_token_can_be_changed() {
        let secret = [7; 32];
        let token = refresh(&secret, "login1", 3);
        assert_eq!(read_refresh(&secret, &token), Some(("login1", 3)));
        assert_eq!(read_refresh(&[8; 32], &token), None);
        for forged in changed(&token) {
            assert_eq!(read_refresh(&secret, &forged), None, "{forged}");
        }
        assert_eq!(read_refresh(&secret, &access(&secret, &claims())), None);
        let sudo = sudo(&secret, "u1", 100);
        assert!(is_sudo(&secret, &sudo, "u1", 99));
        assert!(!is_sudo(&secret, &sudo, "u1", 100) && !is_sudo(&secret, &sudo, "u2", 99));
        assert!(changed(&sudo).all(|forged| !is_sudo(&secret, &forged, "u1", 99)));
        let pass = pass(&secret, "u1");
        assert_eq!(read_pass(&secret, &pass), Some("u1"));
        assert!(changed(&pass).all(|forged| read_pass(&secret, &forged).is_none()));
    }

    #[test]
    fn no_other_algorithm_is_accepted() {
        let token = access(&[7; 32], &claims());
        let (_, rest) = token.split_once('.').expect("parts");
        for header in [r#"{"alg":"none","typ":"JWT"}"#, r#"{"alg":"HS256","typ":"JWT","kid":"x"}"#, "{}"] {
            assert_eq!(unproved(&format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))), None);
        }
    }
}
