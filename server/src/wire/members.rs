//! A request's members as they stand in its body: in order, each a slice of the text that arrived.
//!
//! Nothing is read before it is asked for, and nothing is written anew: signatures are made over the sender's own
//! text. A name may stand once only, however it is capitalised, because signatures fold capitals and two readers of
//! a pair would see two requests.

use std::borrow::Cow;
use std::fmt;

use query::{Code, Error, Result};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use storage::Doc;

use super::ejson::Reader;
use super::form::Field;

/// The members of a request.
#[derive(Debug, Default)]
pub struct Members<'b>(Vec<Member<'b>>);

/// One member.
#[derive(Debug)]
pub struct Member<'b> {
    /// Its name as sent.
    pub name: Cow<'b, str>,
    /// Its value as sent.
    pub raw: Raw<'b>,
}

/// A value as it stands in the body.
#[derive(Clone, Copy, Debug)]
pub enum Raw<'b> {
    /// JSON text.
    Json(&'b str),
    /// The content of a form field. A `file` had a content type of its own: a buffer in the sender's hands.
    Form {
        /// The bytes between the boundaries.
        bytes: &'b [u8],
        /// Did the field bring its own content type?
        file: bool,
    },
}

/// Most members of one request: SDKs send about twenty.
const MEMBERS_MAX: usize = 200;

impl<'b> Members<'b> {
    /// Reads the members of a JSON body.
    ///
    /// # Errors
    /// `InvalidParam` where the body is not a JSON object or names a member twice.
    pub fn from_json(body: &'b [u8]) -> Result<Members<'b>> {
        let text = std::str::from_utf8(body).map_err(|_| fault("the body is not UTF-8"))?;
        serde_json::from_str(text).map_err(|error| fault(format!("the body is not a JSON object: {error}")))
    }

    /// Takes the fields of a form.
    ///
    /// # Errors
    /// `InvalidParam` where a field is given twice.
    pub fn from_form(fields: Vec<Field<'b>>) -> Result<Members<'b>> {
        let mut members = Members::default();
        for Field { name, bytes, file } in fields {
            members.push(Cow::Owned(name), Raw::Form { bytes, file }).map_err(fault)?;
        }
        Ok(members)
    }

    /// Adds a text that did not stand in the body but in the address.
    ///
    /// # Errors
    /// `InvalidParam` where the name is given already.
    pub fn add_text(&mut self, name: &str, text: &'b str) -> Result<()> {
        self.push(Cow::Owned(name.to_owned()), Raw::Form { bytes: text.as_bytes(), file: false }).map_err(fault)
    }

    /// All members in the sender's order.
    pub fn iter(&self) -> impl Iterator<Item = &Member<'b>> {
        self.0.iter()
    }

    /// The value of a member as it stands in the body.
    pub fn raw(&self, name: &str) -> Option<Raw<'b>> {
        self.0.iter().find(|member| member.name == name).map(|member| member.raw)
    }

    /// A text; `None` where the member is absent or null.
    ///
    /// # Errors
    /// `InvalidParam` where the member is something else.
    pub fn text(&self, name: &str) -> Result<Option<Cow<'b, str>>> {
        match self.raw(name) {
            None => Ok(None),
            Some(raw) => raw.text().map_err(|found| wrong(name, "a string", &found)),
        }
    }

    /// A text that must be there and not be empty.
    ///
    /// # Errors
    /// `InvalidParam` where it is not.
    pub fn needed_text(&self, name: &str) -> Result<Cow<'b, str>> {
        match self.text(name)? {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(fault(format!("`{name}` is missing: expected a string that is not empty"))),
        }
    }

    /// A yes or no; no where the member is absent.
    ///
    /// # Errors
    /// `InvalidParam` where the member is something else.
    pub fn flag(&self, name: &str) -> Result<bool> {
        match self.json(name) {
            None | Some("null" | "false") => Ok(false),
            Some("true") => Ok(true),
            Some(found) => Err(wrong(name, "true or false", found)),
        }
    }

    /// A count; `None` where the member is absent or null.
    ///
    /// # Errors
    /// `InvalidParam` where the member is no whole number from 0 up.
    pub fn count(&self, name: &str) -> Result<Option<u64>> {
        match self.json(name) {
            None | Some("null") => Ok(None),
            Some(found) => whole(found).map(Some).ok_or_else(|| wrong(name, "a whole number from 0 up", found)),
        }
    }

    /// A document: an Extended JSON text (second generation) or a JSON object (first). Absent, null and `""` are
    /// `None`.
    ///
    /// # Errors
    /// As for [`Reader::document`], with the member's name before the message.
    pub fn document(&self, name: &str, reader: &Reader) -> Result<Option<Doc>> {
        let Some(text) = self.inner_json(name)? else { return Ok(None) };
        reader.document(&text).map(Some).map_err(|error| error.at(&format!("`{name}`")))
    }

    /// Is the member an array?
    pub fn is_list(&self, name: &str) -> bool {
        self.json(name).is_some_and(|raw| raw.starts_with('['))
    }

    /// Several documents: an array of Extended JSON texts or of JSON objects, or one object alone.
    ///
    /// # Errors
    /// As for [`Members::document`].
    pub fn documents(&self, name: &str, reader: &Reader) -> Result<Vec<Doc>> {
        if !self.is_list(name) {
            let doc = self.document(name, reader)?;
            return doc.map(|doc| vec![doc]).ok_or_else(|| wrong(name, "a document", "nothing"));
        }
        let items = self.items(name)?;
        let read = |(index, item): (usize, &RawValue)| {
            let text = Raw::Json(item.get()).inner_json().map_err(|found| wrong(name, "documents", &found))?;
            reader.document(&text).map_err(|error| error.at(&format!("`{name}[{index}]`")))
        };
        items.into_iter().enumerate().map(read).collect()
    }

    /// The elements of an array, unread. Absent is empty.
    ///
    /// # Errors
    /// `InvalidParam` where the member is no array.
    pub fn items(&self, name: &str) -> Result<Vec<&'b RawValue>> {
        let Some(raw) = self.json(name) else { return Ok(Vec::new()) };
        serde_json::from_str(raw).map_err(|_| wrong(name, "an array", raw))
    }

    /// The JSON text that a member holds, be it as a text inside the text or as it stands. Absent, null and `""` are
    /// `None`.
    ///
    /// # Errors
    /// `InvalidParam` where the member is malformed.
    pub fn inner_json(&self, name: &str) -> Result<Option<Cow<'b, str>>> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        let text = raw.inner_json().map_err(|found| wrong(name, "a document", &found))?;
        Ok(Some(text).filter(|text| !text.is_empty() && text != "null"))
    }

    fn json(&self, name: &str) -> Option<&'b str> {
        match self.raw(name)? {
            Raw::Json(text) => Some(text),
            Raw::Form { bytes, .. } => std::str::from_utf8(bytes).ok(),
        }
    }

    fn push(&mut self, name: Cow<'b, str>, raw: Raw<'b>) -> Result<(), String> {
        if self.0.len() >= MEMBERS_MAX {
            return Err(format!("more than {MEMBERS_MAX} members"));
        }
        if self.0.iter().any(|member| same_name(&member.name, &name)) {
            return Err(format!("the member \"{name}\" is given twice"));
        }
        self.0.push(Member { name, raw });
        Ok(())
    }
}

impl<'b> Raw<'b> {
    /// The text of a text; `None` for null; what was found instead otherwise.
    ///
    /// # Errors
    /// A short description of a value that is no text.
    pub fn text(self) -> Result<Option<Cow<'b, str>>, Cow<'b, str>> {
        match self {
            Raw::Json("null") => Ok(None),
            Raw::Json(json) => unquote(json).map(Some).ok_or_else(|| shorten(json)),
            Raw::Form { bytes, .. } => {
                std::str::from_utf8(bytes).map(|text| Some(text.into())).map_err(|_| "bytes".into())
            }
        }
    }

    fn inner_json(self) -> Result<Cow<'b, str>, Cow<'b, str>> {
        match self {
            Raw::Json(json) if !json.starts_with('"') => Ok(json.into()),
            _ => self.text().map(Option::unwrap_or_default),
        }
    }
}

/// The content of a JSON text; borrowed where it holds no escape.
fn unquote(json: &str) -> Option<Cow<'_, str>> {
    struct Text;
    impl<'de> Visitor<'de> for Text {
        type Value = Cow<'de, str>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
            Ok(Cow::Borrowed(text))
        }

        fn visit_str<E>(self, text: &str) -> Result<Cow<'de, str>, E> {
            Ok(Cow::Owned(text.to_owned()))
        }
    }
    serde_json::Deserializer::from_str(json).deserialize_str(Text).ok()
}

impl<'de: 'b, 'b> Deserialize<'de> for Members<'b> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members<'b>, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Members<'de>, A::Error> {
                let mut members = Members(Vec::with_capacity(16));
                while let Some(name) = fields.next_key_seed(Name)? {
                    let raw = fields.next_value::<&'de RawValue>()?;
                    members.push(name, Raw::Json(raw.get())).map_err(serde::de::Error::custom)?;
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        unquote(raw.get()).ok_or_else(|| serde::de::Error::custom("a member's name is malformed"))
    }
}

/// Signatures fold capitals and trim, so names that differ in nothing else are one name.
fn same_name(first: &str, second: &str) -> bool {
    let (first, second) = (first.trim(), second.trim());
    first.eq_ignore_ascii_case(second) || first.to_lowercase() == second.to_lowercase()
}

fn whole(json: &str) -> Option<u64> {
    if let Ok(count) = json.parse() {
        return Some(count);
    }
    let number: f64 = json.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked first")]
    ((0.0..9e15).contains(&number) && number.trunc() == number).then_some(number as u64)
}

fn fault(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidParam, message)
}

fn wrong(name: &str, expected: &str, found: &str) -> Error {
    fault(format!("`{name}`: expected {expected}, found {}", shorten(found)))
}

/// The start of a value, for a message.
fn shorten(found: &str) -> Cow<'_, str> {
    match found.char_indices().nth(60) {
        Some((end, _)) => format!("{} …", found.get(..end).unwrap_or_default()).into(),
        None => found.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(body: &str) -> Members<'_> {
        Members::from_json(body.as_bytes()).expect(body)
    }

    #[test]
    fn keeps_order_and_text() {
        let body = r#"{ "b" : {"x": 1.0, "y":[ ]}, "a":"q\u0022\n", "c":null }"#;
        let members = members(body);
        let names: Vec<_> = members.iter().map(|member| member.name.as_ref()).collect();
        assert_eq!(names, ["b", "a", "c"]);
        assert!(matches!(members.raw("b"), Some(Raw::Json(r#"{"x": 1.0, "y":[ ]}"#))));
        assert_eq!(members.text("a").expect("text").as_deref(), Some("q\"\n"));
        assert_eq!(members.text("c").expect("null"), None);
        assert_eq!(members.text("missing").expect("absent"), None);
        assert!(members.text("b").is_err());
    }

    #[test]
    fn refuses_pairs_and_rubbish() {
        for body in
            [r#"{"a":1,"a":2}"#, r#"{"action":"x","Action":"y"}"#, r#"{"\u0061":1,"a":1}"#, "[]", "", "{", "5", "{} x"]
        {
            assert!(Members::from_json(body.as_bytes()).is_err(), "{body}");
        }
        assert!(Members::from_json(&[b'{', 0xFF, b'}']).is_err());
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
        assert!(Members::from_json(deep.as_bytes()).is_ok(), "values are not read before they are asked for");
    }

    #[test]
    fn reads_numbers_and_flags() {
        let members = members(r#"{"limit":20,"offset":2.0,"bad":-1,"half":1.5,"yes":true,"no":false,"text":"5"}"#);
        assert_eq!(members.count("limit").expect("count"), Some(20));
        assert_eq!(members.count("offset").expect("count"), Some(2));
        assert_eq!(members.count("absent").expect("count"), None);
        for name in ["bad", "half", "yes", "text"] {
            assert!(members.count(name).is_err(), "{name}");
        }
        assert!(members.flag("yes").expect("flag"));
        assert!(!members.flag("no").expect("flag"));
        assert!(!members.flag("absent").expect("flag"));
        assert!(members.flag("limit").is_err());
    }

    #[test]
    fn documents_of_both_generations() {
        let body = r#"{"e":"{\"a\":{\"$numberInt\":\"1\"}}","o":{"a":1},"empty":"","braces":"{}","list":["{\"a\":1}",{"b":2}],"bad":"{\"a\":","n":5}"#;
        let members = members(body);
        let reader = Reader::new(0);
        let text = |name: &str| members.document(name, &reader).expect(name).map(|doc| format!("{doc:?}"));
        assert_eq!(text("e"), text("o"));
        assert_eq!(text("empty"), None);
        assert_eq!(text("absent"), None);
        assert_eq!(text("braces").as_deref(), Some("{}"));
        assert_eq!(members.documents("list", &reader).expect("list").len(), 2);
        assert_eq!(members.documents("o", &reader).expect("one").len(), 1);
        for name in ["bad", "n"] {
            let error = members.document(name, &reader).expect_err(name);
            assert!(error.message.contains(name) && error.code == Code::InvalidParam, "{error}");
        }
        assert!(members.documents("absent", &reader).is_err());
    }
}
