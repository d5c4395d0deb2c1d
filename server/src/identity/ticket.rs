//! Login tickets: with one, an environment's own server vouches for a user (`auth().createTicket`).
//!
//! The private key is handed out once and kept nowhere; here lies only its public half. A ticket is
//! `KEY-ID/@@/JWT`, and every time in it counts milliseconds.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use query::{Code, Error, Result};
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::pkcs8::{DecodePublicKey, EncodePublicKey, LineEnding};
use rsa::sha2::Sha256;
use rsa::signature::Verifier;
use rsa::{PrivateKey, PublicKey};
use serde::Deserialize;

const BITS: usize = 2048;
const MARK: &str = "/@@/";
/// Clocks of two servers differ by so much, in milliseconds.
const SKEW_MS: i64 = 60_000;
/// Longer texts are no tickets.
const BYTES_MAX: usize = 8192;

/// A new pair of keys, each in PEM.
pub struct NewKey {
    /// For the environment's own server; PKCS#1, as SDKs expect it.
    pub private_pem: String,
    /// For us.
    pub public_pem: String,
}

/// What a ticket says; times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Claims {
    /// The environment's name.
    pub env: String,
    /// When it was made.
    pub iat: i64,
    /// When it ends.
    pub exp: i64,
    /// The user's id on the environment's own server.
    pub uid: String,
    /// How long access tokens of the login last.
    #[serde(default)]
    pub refresh: Option<i64>,
    /// When the login ends.
    #[serde(default)]
    pub expire: Option<i64>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

/// Makes a pair of keys. Takes up to a second.
///
/// # Errors
/// `Internal` without randomness.
pub fn new_key() -> Result<NewKey> {
    let fault = |what: String| Error::new(Code::Internal, format!("a key for tickets could not be made: {what}"));
    let private = PrivateKey::new(&mut getrandom::SysRng, BITS).map_err(|error| fault(error.to_string()))?;
    let private_pem = private.to_pkcs1_pem(LineEnding::LF).map_err(|error| fault(error.to_string()))?.to_string();
    let public = private.to_public_key().to_public_key_pem(LineEnding::LF);
    Ok(NewKey { private_pem, public_pem: public.map_err(|error| fault(error.to_string()))? })
}

/// The id of a ticket's key, and its JWT.
pub fn parts(ticket: &str) -> Option<(&str, &str)> {
    if ticket.len() > BYTES_MAX { None } else { ticket.split_once(MARK) }
}

/// What a ticket's JWT says, if this key signed it and now is within its time.
///
/// # Errors
/// What is wrong with it, in words for a developer.
pub fn read(jwt: &str, public_pem: &str, env: &str, now_ms: i64) -> Result<Claims, &'static str> {
    let (signed, signature) = jwt.rsplit_once('.').ok_or("it is no JWT")?;
    let (header, content) = signed.split_once('.').ok_or("it is no JWT")?;
    let header: Header = decoded(header).ok_or("its header is unreadable")?;
    if header.alg != "RS256" {
        return Err("its algorithm is not RS256");
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "its signature is unreadable")?;
    let signature = Signature::try_from(signature.as_slice()).map_err(|_| "its signature is unreadable")?;
    let key = PublicKey::from_public_key_pem(public_pem).map_err(|_| "its key is damaged")?;
    let key = VerifyingKey::<Sha256>::new(key);
    key.verify(signed.as_bytes(), &signature).map_err(|_| "its signature does not fit its key")?;
    let claims: Claims = decoded(content).ok_or("its content is incomplete")?;
    match () {
        () if claims.env != env => Err("it was made for another environment"),
        () if claims.exp <= now_ms => Err("it has expired; make a new one"),
        () if claims.iat > now_ms.saturating_add(SKEW_MS) => Err("it comes from the future; compare the clocks"),
        () if claims.uid.is_empty() || claims.uid.len() > 128 => Err("its uid is not 1 to 128 bytes long"),
        () => Ok(claims),
    }
}

fn decoded<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// A ticket as SDKs make it.
#[cfg(test)]
pub fn sign(private_pem: &str, claims: &serde_json::Value) -> String {
    use rsa::pkcs1::DecodeRsaPrivateKey;
    use rsa::signature::{SignatureEncoding, Signer};
    let key = PrivateKey::from_pkcs1_pem(private_pem).expect("a key");
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", encode(r#"{"alg":"RS256","typ":"JWT"}"#), encode(&claims.to_string()));
    let signature = rsa::pkcs1v15::SigningKey::<Sha256>::new(key).sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_the_key_signed_opens() {
        let key = new_key().expect("a key");
        let claims =
            json!({"alg": "RS256", "env": "e", "iat": 1000, "exp": 2000, "uid": "u", "refresh": 60, "expire": 9});
        let jwt = sign(&key.private_pem, &claims);
        let opened = read(&jwt, &key.public_pem, "e", 1500).expect("it opens");
        assert_eq!((opened.uid.as_str(), opened.refresh, opened.expire), ("u", Some(60), Some(9)));
        assert!(read(&jwt, &key.public_pem, "f", 1500).is_err_and(|why| why.contains("another environment")));
        assert!(read(&jwt, &key.public_pem, "e", 2000).is_err_and(|why| why.contains("expired")));
        assert!(read(&jwt, &key.public_pem, "e", -60_000).is_err_and(|why| why.contains("future")));
        let places = (0..jwt.len()).step_by(7).chain(jwt.len() - 2..jwt.len());
        for place in places {
            let mut forged = jwt.clone().into_bytes();
            forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).expect("ASCII");
            assert!(read(&forged, &key.public_pem, "e", 1500).is_err(), "{place}");
        }
        assert!(read("a.b", &key.public_pem, "e", 1500).is_err());
    }
}
