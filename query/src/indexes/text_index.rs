//! Text indexes: `{key: {title: "text", "body.en": "text"}, weights?, default_language?, language_override?}`; the path
//! `$**` means every text of a document.

use storage::text::{Language, TextSpec, WEIGHT_DEFAULT, WEIGHT_END, WILDCARD};
use storage::{DocBuilder, FieldOrder, RawDoc, ValueRef};

use super::{impossible, parse_bool, wrong_type};
use crate::error::Result;

/// The version of MongoDB's text indexes whose rules hold.
const VERSION: i32 = 3;

/// Reads what a text index looks at; `None` where no field is one of texts.
///
/// # Errors
/// 67 for impossible weights, languages or combinations of fields, 14 for a wrong type.
pub(super) fn parse(description: RawDoc<'_>, fields: &[(String, FieldOrder)]) -> Result<Option<TextSpec>> {
    let is_text = |(_, order): &(String, FieldOrder)| *order == FieldOrder::Text;
    if !fields.iter().any(is_text) {
        return Ok(None);
    }
    check_key(description, fields)?;
    let mut weights: Vec<(String, u32)> =
        fields.iter().filter(|field| is_text(field)).map(|(path, _)| (path.clone(), WEIGHT_DEFAULT)).collect();
    if let Some(given) = description.get("weights") {
        let ValueRef::Document(given) = given else { return Err(impossible("'weights' must be a document")) };
        for (path, weight) in given.iter() {
            let weight = parse_weight(path, weight)?;
            match weights.iter_mut().find(|(own, _)| own == path) {
                Some(own) => own.1 = weight,
                None => weights.push((path.to_owned(), weight)),
            }
        }
    }
    weights.sort();
    let default_language = text_option(description, "default_language")?.unwrap_or("english").to_owned();
    if Language::named(&default_language).is_none() {
        let known: Vec<&str> = Language::names().collect();
        let known = known.join(", ");
        return Err(impossible(&format!("default_language '{default_language}' is unknown; known are {known}")));
    }
    let language_override = text_option(description, "language_override")?.unwrap_or("language").to_owned();
    if language_override.is_empty() || language_override.contains(['.', '$', '\0']) {
        return Err(impossible("language_override must be the name of a field at the top of a document"));
    }
    Ok(Some(TextSpec { weights, default_language, language_override }))
}

/// Adds what [`parse`] reads.
pub(super) fn show(text: &TextSpec, out: &mut DocBuilder) {
    let weights = out.open_document("weights");
    for (path, weight) in &text.weights {
        out.put(path, ValueRef::Int32(i32::try_from(*weight).unwrap_or(i32::MAX)));
    }
    out.close(weights);
    out.put("default_language", ValueRef::String(&text.default_language));
    out.put("language_override", ValueRef::String(&text.language_override));
    out.put("textIndexVersion", ValueRef::Int32(VERSION));
}

fn check_key(description: RawDoc<'_>, fields: &[(String, FieldOrder)]) -> Result<()> {
    let plain = |order: FieldOrder| matches!(order, FieldOrder::Ascending | FieldOrder::Descending);
    if fields.iter().any(|(_, order)| *order != FieldOrder::Text && !plain(*order)) {
        return Err(impossible("an index cannot be of texts and of another special kind"));
    }
    let starts = fields.iter().enumerate().filter(|(place, (_, order))| {
        let before = place.checked_sub(1).and_then(|before| fields.get(before));
        *order == FieldOrder::Text && before.is_none_or(|(_, order)| *order != FieldOrder::Text)
    });
    if starts.count() > 1 {
        return Err(impossible("the text fields of an index must stand side by side"));
    }
    if description.get("unique").map(|value| parse_bool("unique", value)).transpose()? == Some(true) {
        return Err(impossible("a text index cannot be unique"));
    }
    let simple = |doc: RawDoc<'_>| doc.get("locale").and_then(ValueRef::as_str) == Some("simple");
    match description.get("collation") {
        Some(ValueRef::Document(collation)) if !simple(collation) => {
            Err(impossible("a text index takes no collation but {locale: \"simple\"}"))
        }
        _ => Ok(()),
    }
}

fn parse_weight(path: &str, weight: ValueRef<'_>) -> Result<u32> {
    if path.is_empty() || path.split('.').any(|part| part.is_empty() || part.starts_with('$') && path != WILDCARD) {
        return Err(impossible(&format!("'{path}' in 'weights' is no path of a field")));
    }
    let number = weight.as_f64().ok_or_else(|| impossible(&format!("the weight of '{path}' must be a number")))?;
    match number {
        1.0.. if number < f64::from(WEIGHT_END) =>
        {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
            Ok(number as u32)
        }
        _ => Err(impossible(&format!("the weight of '{path}' must be above 0 and below {WEIGHT_END}, found {number}"))),
    }
}

fn text_option<'d>(description: RawDoc<'d>, name: &str) -> Result<Option<&'d str>> {
    match description.get(name) {
        None => Ok(None),
        Some(ValueRef::String(text)) => Ok(Some(text)),
        Some(other) => Err(wrong_type(name, "a string", other)),
    }
}
