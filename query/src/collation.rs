//! Reads MongoDB's collation document. What the options mean for comparing is `storage::Collation`'s.

use storage::{CaseFirst, Collation, CollationSpec, RawDoc, ValueRef};

use crate::error::{Error, Result, number};

/// MongoDB's number for a missing field of a command.
const MISSING_FIELD: i32 = 40414;
/// MongoDB's number for a field that a command does not know.
const UNKNOWN_FIELD: i32 = 40415;
/// MongoDB's number for a number out of its range.
const OUT_OF_RANGE: i32 = 51024;
/// MongoDB's number for tables of another version.
const OTHER_VERSION: i32 = 161;

/// The version of ICU's tables that MongoDB 6 states.
const VERSION: &str = "57.1";

/// Languages and regions with tables of their own (ICU's list, manual page "Collation Locales").
const LOCALES: &str = "af am ar as az be bg bn bo bs ca cs cy da de dz ee el en eo es et fa fi fo fr ga gl gu ha he hi hr \
     hu hy id ig is it ja ka kk kl km kn ko ky lb ln lo lt lv mk ml mn mr ms mt my nb ne nl nn om or pa pl ps pt ro ru se \
     si sk sl sq sr sv sw ta te th to tr ug uk ur vi yi yo zh zu chr dsb fil haw hsb kok lkt smn wae bs_Cyrl de_AT en_US \
     fa_AF fr_CA sr_Latn zh_Hant en_US_POSIX";

/// Special orders, chosen as `zh@collation=stroke`, and the locales that have them; none named means all.
const ORDERS: &[(&str, &str)] = &[
    ("search", ""),
    ("eor", ""),
    ("emoji", ""),
    ("compat", "ar"),
    ("traditional", "bn es fi kn vi"),
    ("phonebook", "de de_AT"),
    ("unihan", "ja ko zh zh_Hant"),
    ("searchjl", "ko"),
    ("phonetic", "ln"),
    ("dictionary", "si"),
    ("standard", "sv zh zh_Hant"),
    ("stroke", "zh"),
    ("pinyin", "zh_Hant"),
    ("zhuyin", "zh zh_Hant"),
    ("gb2312han", "zh zh_Hant"),
    ("big5han", "zh zh_Hant"),
];

const FIELDS: [&str; 10] = [
    "locale",
    "strength",
    "caseLevel",
    "caseFirst",
    "numericOrdering",
    "alternate",
    "maxVariable",
    "normalization",
    "backwards",
    "version",
];

/// Reads a collation document; `None` for `{}` and for the locale `simple`, which mean comparing by bytes.
///
/// # Errors
/// 14 for a wrong type, 2 for an unknown locale or option, 51024 for a strength out of range, 40414 and 40415 for a
/// missing locale and an unknown field.
pub fn parse_collation(doc: RawDoc<'_>) -> Result<Option<Collation>> {
    if doc.is_empty() {
        return Ok(None);
    }
    if let Some((name, _)) = doc.iter().find(|(name, _)| !FIELDS.contains(name)) {
        return Err(Error::mongo(UNKNOWN_FIELD, format!("a collation has no field {name:?}")));
    }
    let locale = text(doc, "locale")?.ok_or_else(|| Error::mongo(MISSING_FIELD, "a collation needs a locale"))?;
    let spec = read(doc, locale)?;
    if locale == "simple" {
        return Ok(None);
    }
    check(&spec, doc)?;
    Collation::new(spec).map(Some).ok_or_else(|| unknown_locale(locale))
}

fn read(doc: RawDoc<'_>, locale: &str) -> Result<CollationSpec> {
    let mut spec = CollationSpec::of_locale(locale);
    if matches!(locale, "da" | "mt") {
        spec.case_first = CaseFirst::Upper;
    }
    if let Some(strength) = strength(doc)? {
        spec.strength = strength;
    }
    if let Some(choice) = choice(doc, "caseFirst", ["off", "upper", "lower"])? {
        spec.case_first = match choice {
            "upper" => CaseFirst::Upper,
            "lower" => CaseFirst::Lower,
            _ => CaseFirst::Off,
        };
    }
    spec.case_level = truth(doc, "caseLevel")?.unwrap_or(false);
    spec.numeric_ordering = truth(doc, "numericOrdering")?.unwrap_or(false);
    truth(doc, "normalization")?; // texts are always normalised here
    spec.shifted = choice(doc, "alternate", ["non-ignorable", "shifted", "shifted"])? == Some("shifted");
    spec.spaces_only = choice(doc, "maxVariable", ["punct", "space", "space"])? == Some("space");
    if let Some(backwards) = doc.get("backwards") {
        let ValueRef::Bool(backwards) = backwards else {
            return Err(mismatch("backwards", "true or false", backwards));
        };
        spec.backwards = backwards;
    }
    match text(doc, "version")? {
        None | Some(VERSION) => Ok(spec),
        Some(other) => {
            Err(Error::mongo(OTHER_VERSION, format!("collation version {other:?} is not available, only {VERSION}")))
        }
    }
}

fn check(spec: &CollationSpec, doc: RawDoc<'_>) -> Result<()> {
    let (base, order) = spec.locale.split_once("@collation=").unwrap_or((&spec.locale, ""));
    let has = |list: &str, name: &str| list.split_whitespace().any(|entry| entry == name);
    let order_known = ORDERS.iter().any(|(name, locales)| *name == order && (locales.is_empty() || has(locales, base)));
    if !has(LOCALES, base) || !(order.is_empty() && !spec.locale.contains('@') || order_known) {
        return Err(unknown_locale(&spec.locale));
    }
    if spec.backwards && spec.strength == 1 && doc.get("backwards").is_some() {
        return Err(bad("`backwards` needs a `strength` of at least 2"));
    }
    if spec.case_first != CaseFirst::Off && !spec.case_level && spec.strength < 3 && doc.get("caseFirst").is_some() {
        return Err(bad("`caseFirst` needs `caseLevel` or a `strength` of at least 3"));
    }
    Ok(())
}

/// Between 1 and 5; fractions are cut off.
fn strength(doc: RawDoc<'_>) -> Result<Option<u8>> {
    let Some(value) = doc.get("strength").filter(|value| !value.is_nullish()) else { return Ok(None) };
    let number = value.as_f64().ok_or_else(|| mismatch("strength", "a number from 1 to 5", value))?.trunc();
    match [1.0, 2.0, 3.0, 4.0, 5.0].into_iter().zip(1u8..).find(|(allowed, _)| *allowed == number) {
        Some((_, strength)) => Ok(Some(strength)),
        None if (-0.0..=5.0).contains(&number) || number.is_nan() => Err(bad("the strength of a collation is 1 to 5")),
        None => Err(Error::mongo(OUT_OF_RANGE, format!("the strength of a collation is 1 to 5, found {number}"))),
    }
}

fn choice<'d>(doc: RawDoc<'d>, name: &str, allowed: [&str; 3]) -> Result<Option<&'d str>> {
    match text(doc, name)? {
        Some(other) if !allowed.contains(&other) => {
            Err(bad(format!("`{name}` of a collation must be one of {allowed:?}, found {other:?}")))
        }
        choice => Ok(choice),
    }
}

fn text<'d>(doc: RawDoc<'d>, name: &str) -> Result<Option<&'d str>> {
    match doc.get(name) {
        None => Ok(None),
        Some(value) if value.is_nullish() => Ok(None),
        Some(ValueRef::String(text)) => Ok(Some(text)),
        Some(other) => Err(mismatch(name, "a string", other)),
    }
}

fn truth(doc: RawDoc<'_>, name: &str) -> Result<Option<bool>> {
    match doc.get(name) {
        None => Ok(None),
        Some(value) if value.is_nullish() => Ok(None),
        Some(ValueRef::Bool(truth)) => Ok(Some(truth)),
        Some(other) => Err(mismatch(name, "true or false", other)),
    }
}

fn mismatch(name: &str, expected: &str, found: ValueRef<'_>) -> Error {
    Error::mongo(number::TYPE_MISMATCH, format!("`{name}` of a collation must be {expected}, found {found:?}"))
}

fn unknown_locale(locale: &str) -> Error {
    bad(format!("unknown locale {locale:?} in a collation; use e.g. \"en\", \"zh\" or \"zh@collation=stroke\""))
}

fn bad(message: impl Into<String>) -> Error {
    Error::mongo(number::BAD_VALUE, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    fn parse(json: bson::Document) -> Result<Option<Collation>, i32> {
        let doc = storage::Doc::from_bytes(json.to_vec().expect("BSON")).expect("valid");
        parse_collation(doc.raw()).map_err(|error| error.number)
    }

    #[test]
    fn faults_carry_the_numbers_of_mongodb() {
        let faults = [
            (doc! {"locale": "xx"}, 2),
            (doc! {"locale": "zh_Hans"}, 2),
            (doc! {"locale": "zh@collation=pinyin"}, 2),
            (doc! {"locale": "en@"}, 2),
            (doc! {"locale": 5}, 14),
            (doc! {"strength": 1}, 40414),
            (doc! {"locale": "en", "foo": 1}, 40415),
            (doc! {"locale": "en", "strength": 6}, 51024),
            (doc! {"locale": "en", "strength": 0}, 2),
            (doc! {"locale": "en", "strength": "x"}, 14),
            (doc! {"locale": "en", "caseFirst": "x"}, 2),
            (doc! {"locale": "en", "caseFirst": "upper", "strength": 1}, 2),
            (doc! {"locale": "en", "backwards": true, "strength": 1}, 2),
            (doc! {"locale": "en", "version": "1"}, 161),
        ];
        for (json, number) in faults {
            assert_eq!(parse(json.clone()).map(drop), Err(number), "{json}");
        }
    }

    #[test]
    fn bytes_unless_a_locale_is_named() {
        assert!(parse(doc! {}).is_ok_and(|collation| collation.is_none()));
        assert!(parse(doc! {"locale": "simple"}).is_ok_and(|collation| collation.is_none()));
        let collation =
            parse(doc! {"locale": "zh@collation=stroke", "strength": 2.0}).expect("known").expect("a locale");
        assert_eq!(collation.spec().strength, 2);
    }
}
