//! Forms in `multipart/form-data`: the fields of a body that was read whole.
//!
//! SDKs send a few actions this way. Fields keep their bytes; one with a content type of its own was a buffer.

use query::{Code, Error, Result};

/// A field of a form.
#[derive(Debug)]
pub struct Field<'b> {
    /// Its name.
    pub name: String,
    /// Its content.
    pub bytes: &'b [u8],
    /// Did it bring a content type of its own?
    pub file: bool,
}

/// Most fields of one form.
const FIELDS_MAX: usize = 200;

/// The boundary named by a `Content-Type`, if it is a form's.
pub fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let named = parameters.split(';').filter_map(|parameter| parameter.trim().split_once('='));
    let (_, boundary) = named.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("boundary"))?;
    Some(boundary.trim_matches('"')).filter(|boundary| !boundary.is_empty())
}

/// Splits a body into its fields.
///
/// # Errors
/// `InvalidParam` where the body is not such a form.
pub fn fields<'b>(body: &'b [u8], boundary: &str) -> Result<Vec<Field<'b>>> {
    let mark = format!("--{boundary}");
    let separator = format!("\r\n{mark}");
    let start = find(body, mark.as_bytes()).ok_or_else(|| fault("the boundary is missing"))?;
    let mut rest = body.get(start + mark.len()..).unwrap_or_default();
    let mut fields = Vec::new();
    while !rest.starts_with(b"--") {
        if fields.len() >= FIELDS_MAX {
            return Err(fault("too many fields"));
        }
        let end = find(rest, separator.as_bytes()).ok_or_else(|| fault("a field is not closed"))?;
        let (part, after) = rest.split_at(end);
        fields.push(field(part)?);
        rest = after.get(separator.len()..).unwrap_or_default();
    }
    Ok(fields)
}

fn field(part: &[u8]) -> Result<Field<'_>> {
    let end = find(part, b"\r\n\r\n").ok_or_else(|| fault("a field has no head"))?;
    let head = std::str::from_utf8(part.get(..end).unwrap_or_default()).map_err(|_| fault("a head is not UTF-8"))?;
    let mut name = None;
    let mut file = false;
    for line in head.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        match key.trim().to_ascii_lowercase().as_str() {
            "content-disposition" => name = field_name(value),
            "content-type" => file = true,
            _ => {}
        }
    }
    let name = name.ok_or_else(|| fault("a field has no name"))?;
    Ok(Field { name, bytes: part.get(end + 4..).unwrap_or_default(), file })
}

fn field_name(disposition: &str) -> Option<String> {
    let mut parameters = disposition.split(';').map(str::trim);
    let name = parameters.find_map(|parameter| parameter.strip_prefix("name="))?;
    Some(name.trim_matches('"').to_owned())
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, wanted)
}

fn fault(what: &str) -> Error {
    Error::new(Code::InvalidParam, format!("the body is no form: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_texts_and_buffers() {
        let body = b"--x\r\nContent-Disposition: form-data; name=\"action\"\r\n\r\nwx.openApi\r\n--x\r\ncontent-disposition: form-data; name=\"data\"\r\nContent-Type: application/octet-stream\r\n\r\na\r\n\r\nb\r\n--x--\r\n";
        let fields = fields(body, "x").expect("a form");
        let seen: Vec<_> = fields.iter().map(|field| (field.name.as_str(), field.bytes, field.file)).collect();
        assert_eq!(seen, [("action", b"wx.openApi".as_slice(), false), ("data", b"a\r\n\r\nb".as_slice(), true)]);
    }

    #[test]
    fn finds_the_boundary() {
        assert_eq!(boundary("multipart/form-data; boundary=abc"), Some("abc"));
        assert_eq!(boundary("Multipart/Form-Data; charset=x; Boundary=\"a b\""), Some("a b"));
        assert_eq!(boundary("application/json"), None);
        assert_eq!(boundary("multipart/form-data; boundary="), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in prop::collection::vec(prop_oneof![Just(b'-'), Just(b'x'), Just(b'\r'), Just(b'\n'), Just(b':'), any::<u8>()], 0..80)) {
            let _ = fields(&body, "x");
        }
    }
}
