//! The codec against a table of texts, and against every document that can be made up.

use proptest::prelude::*;
use query::Code;
use storage::{Decimal128, Doc, DocBuilder, Value, ValueRef};

use super::{Form, Reader, Writer, text};

const NOW: i64 = 1_700_000_000_000;

fn read(text: &str) -> Result<Doc, query::Error> {
    Reader::new(NOW).document(text)
}

/// Reads and writes canonically: the canonical text says everything about kinds.
fn check(given: &str, expect: &str) {
    let doc = read(given).unwrap_or_else(|fault| panic!("{given}: {fault}"));
    assert_eq!(text(doc.raw(), Form::Canonical), expect, "{given}");
}

fn refuse(given: &str, code: Code, contains: &str) {
    let fault = read(given).err().unwrap_or_else(|| panic!("{given} was read"));
    assert_eq!(fault.code, code, "{given}: {fault}");
    assert!(fault.message.contains(contains), "{given}: {fault}");
}

#[test]
fn reads_every_spelling_of_a_value() {
    let cases = [
        (r"1", r#"{"$numberInt":"1"}"#),
        (r"-2147483648", r#"{"$numberInt":"-2147483648"}"#),
        (r"2147483648", r#"{"$numberLong":"2147483648"}"#),
        (r"9223372036854775807", r#"{"$numberLong":"9223372036854775807"}"#),
        (r"9223372036854775808", r#"{"$numberDouble":"9.223372036854776e+18"}"#),
        (r"1.0", r#"{"$numberDouble":"1.0"}"#),
        (r"1e2", r#"{"$numberDouble":"100.0"}"#),
        (r"0.1", r#"{"$numberDouble":"0.1"}"#),
        (r"123456789.12345678901", r#"{"$numberDouble":"123456789.12345679"}"#),
        (r#"{"$numberInt":"5"}"#, r#"{"$numberInt":"5"}"#),
        (r#"{"$numberLong":"5"}"#, r#"{"$numberLong":"5"}"#),
        (r#"{"$numberDouble":"100000000000000000000"}"#, r#"{"$numberDouble":"1e+20"}"#),
        (r#"{"$numberDouble":"1e-7"}"#, r#"{"$numberDouble":"1e-7"}"#),
        (r#"{"$numberDouble":"NaN"}"#, r#"{"$numberDouble":"NaN"}"#),
        (r#"{"$numberDouble":"-Infinity"}"#, r#"{"$numberDouble":"-Infinity"}"#),
        (r#"{"$numberDouble":"-0.0"}"#, r#"{"$numberDouble":"-0.0"}"#),
        (r#"{"$numberDecimal":"1.50"}"#, r#"{"$numberDecimal":"1.50"}"#),
        (r"true", r"true"),
        (r"null", r"null"),
        (r#""h\u00e9\ud83d\ude00\n""#, r#""hé😀\n""#),
        (r#""cut: \ud83d""#, "\"cut: \u{fffd}\""),
        (r#"{"$oid":"507F1f77bcf86cd799439011"}"#, r#"{"$oid":"507f1f77bcf86cd799439011"}"#),
        (r#"{"$date":{"$numberLong":"-1"}}"#, r#"{"$date":{"$numberLong":"-1"}}"#),
        (r#"{"$date":{"$numberInt":"5"}}"#, r#"{"$date":{"$numberLong":"5"}}"#),
        (r#"{"$date":{"$numberDouble":"5"}}"#, r#"{"$date":{"$numberLong":"5"}}"#),
        (r#"{"$date":5}"#, r#"{"$date":{"$numberLong":"5"}}"#),
        (r#"{"$date":5.9}"#, r#"{"$date":{"$numberLong":"5"}}"#),
        (r#"{"$date":"1970-01-01T00:00:00.005Z"}"#, r#"{"$date":{"$numberLong":"5"}}"#),
        (r#"{"$date":{"offset":-5}}"#, r#"{"$date":{"$numberLong":"1699999999995"}}"#),
        (r#"{"$tcb_server_date":{"offset":{"$numberInt":"7"}}}"#, r#"{"$date":{"$numberLong":"1700000000007"}}"#),
        (r#"{"$tcb_server_date":{"offset":{"$numberLong":"9"}}}"#, r#"{"$date":{"$numberLong":"1700000000009"}}"#),
        (r#"{"$binary":{"base64":"AQI=","subType":"00"}}"#, r#"{"$binary":{"base64":"AQI=","subType":"00"}}"#),
        (r#"{"$binary":{"subType":"80","base64":""}}"#, r#"{"$binary":{"base64":"","subType":"80"}}"#),
        (r#"{"$binary":"AQI=","$type":"05"}"#, r#"{"$binary":{"base64":"AQI=","subType":"05"}}"#),
        (
            r#"{"$uuid":"c8edabc3-f738-4ca3-b68d-ab92a91478a3"}"#,
            r#"{"$binary":{"base64":"yO2rw/c4TKO2jauSqRR4ow==","subType":"04"}}"#,
        ),
        (
            r#"{"$regularExpression":{"pattern":"^a","options":"gi"}}"#,
            r#"{"$regularExpression":{"pattern":"^a","options":"i"}}"#,
        ),
        (
            r#"{"$regularExpression":{"options":"mgi","pattern":"x"}}"#,
            r#"{"$regularExpression":{"pattern":"x","options":"im"}}"#,
        ),
        (r#"{"$regex":"^a","$options":"gi"}"#, r#"{"$regularExpression":{"pattern":"^a","options":"i"}}"#),
        (r#"{"$options":"i","$regex":"^a"}"#, r#"{"$regularExpression":{"pattern":"^a","options":"i"}}"#),
        (r#"{"$regex":"^a"}"#, r#"{"$regularExpression":{"pattern":"^a","options":""}}"#),
        (r#"{"$timestamp":{"t":5,"i":6}}"#, r#"{"$timestamp":{"t":5,"i":6}}"#),
        (r#"{"$minKey":1}"#, r#"{"$minKey":1}"#),
        (r#"{"$maxKey":1}"#, r#"{"$maxKey":1}"#),
        (r#"{"$symbol":"s"}"#, r#"{"$symbol":"s"}"#),
        (r#"{"$code":"x"}"#, r#"{"$code":"x"}"#),
        (r#"{"$code":"x","$scope":{"a":1}}"#, r#"{"$code":"x","$scope":{"a":{"$numberInt":"1"}}}"#),
        (r#"{"$code":"x","$scope":{}}"#, r#"{"$code":"x","$scope":{}}"#),
        (
            r#"{"$dbPointer":{"$ref":"a.b","$id":{"$oid":"507f1f77bcf86cd799439011"}}}"#,
            r#"{"$dbPointer":{"$ref":"a.b","$id":{"$oid":"507f1f77bcf86cd799439011"}}}"#,
        ),
        (r#"{"$undefined":true}"#, r#"{"$undefined":true}"#),
        (r"[1,[],{}]", r#"[{"$numberInt":"1"},[],{}]"#),
        (r#"{"a":{"b":[null]}}"#, r#"{"a":{"b":[null]}}"#),
    ];
    for (given, expect) in cases {
        check(&format!(r#"{{"v":{given}}}"#), &format!(r#"{{"v":{expect}}}"#));
        let value = Reader::new(NOW).value(given).expect(given);
        let mut out = Vec::new();
        Writer::<0>::new(&mut out, Form::Canonical).value(value.as_ref());
        assert_eq!(String::from_utf8(out).expect("text"), expect);
    }
}

#[test]
fn names_with_a_dollar_that_are_no_wrapper_stay_names() {
    let same = [
        r#"{"$or":[{"a":{"$gt":{"$numberInt":"1"}}},{"b":null}]}"#,
        r#"{"a":{"$regex":"^a","$options":"i","$gt":"b"}}"#,
        r#"{"a":{"$elemMatch":{"$regex":"^a","$options":"i"}}}"#,
        r#"{"a":{"$regex":{"$regularExpression":{"pattern":"x","options":""}},"$options":"i"}}"#,
        r#"{"a":{"b":{"$numberInt":"1"},"$oid":"not a wrapper, not first"}}"#,
        r#"{"$date":{"$numberInt":"5"}}"#,
        r#"{"":{"":""}}"#,
    ];
    for given in same {
        check(given, given);
    }
}

#[test]
fn keeps_the_order_of_names() {
    check(r#"{"z":1,"a":2,"m":3}"#, r#"{"z":{"$numberInt":"1"},"a":{"$numberInt":"2"},"m":{"$numberInt":"3"}}"#);
}

#[test]
fn refuses_what_is_malformed_and_says_where() {
    let cases = [
        (r"", "EOF"),
        (r"[]", "expected an object"),
        (r"5", "expected an object"),
        (r#"{"a":1"#, "EOF"),
        (r#"{"a":1}}"#, "trailing"),
        (r#"{"a":01}"#, "line 1 column"),
        (r#"{"a":1,"b":2,"a":3}"#, "the name \"a\" is given twice at line 1 column 16"),
        (r#"{"x":{"a":1,"\u0061":3}}"#, "the name \"a\" is given twice"),
        (r#"{"a\u0000b":1}"#, "NUL"),
        (r#"{"a":{"$oid":"xyz"}}"#, "24 hexadecimal digits"),
        (r#"{"a":{"$oid":""}}"#, "24 hexadecimal digits"),
        (r#"{"a":{"$oid":5}}"#, "24 hexadecimal digits"),
        (r#"{"a":{"$oid":"507f1f77bcf86cd799439011","b":1}}"#, "\"b\" must not stand beside"),
        (r#"{"a":{"$numberInt":"2147483648"}}"#, "a 32-bit integer"),
        (r#"{"a":{"$numberDouble":"inf"}}"#, "a double"),
        (r#"{"a":{"$numberDecimal":"x"}}"#, "a decimal"),
        (r#"{"a":{"$date":"yesterday"}}"#, "a date"),
        (r#"{"a":{"$date":{"$numberLong":"NaN"}}}"#, "a 64-bit integer"),
        (r#"{"a":{"$date":{"$numberDouble":"1e300"}}}"#, "a whole number"),
        (r#"{"a":{"$date":{}}}"#, "a date"),
        (r#"{"a":{"$date":{"offset":{"offset":1}}}}"#, "a whole number"),
        (r#"{"a":{"$date":null}}"#, "a date"),
        (r#"{"a":{"$binary":{"base64":"AQI="}}}"#, "subType"),
        (r#"{"a":{"$binary":{"base64":"?","subType":"00"}}}"#, "base64"),
        (r#"{"a":{"$binary":"AQI="}}"#, "subType"),
        (r#"{"a":{"$uuid":"1"}}"#, "a UUID"),
        (r#"{"a":{"$timestamp":{"t":-1,"i":0}}}"#, "u32"),
        (r#"{"a":{"$regularExpression":{"pattern":"a\u0000","options":""}}}"#, "NUL"),
        (r#"{"a":{"$code":"x","$scope":1}}"#, "object"),
        (r#"{"a":{"$code":"x","y":1}}"#, "$scope"),
    ];
    for (given, contains) in cases {
        refuse(given, Code::InvalidParam, contains);
    }
}

#[test]
fn refuses_repeated_names_among_many() {
    let mut fields: Vec<String> = (0..1000).map(|index| format!(r#""f{index}":{index}"#)).collect();
    assert!(read(&format!("{{{}}}", fields.join(","))).is_ok());
    fields.push(r#""f500":0"#.to_owned());
    refuse(&format!("{{{}}}", fields.join(",")), Code::InvalidParam, "\"f500\" is given twice");
}

#[test]
fn refuses_what_is_too_deep_or_too_large() {
    let nested = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    assert!(read(&nested(storage::limits::DOC_DEPTH_MAX)).is_ok());
    refuse(&nested(storage::limits::DOC_DEPTH_MAX + 1), Code::TooLarge, "nested deeper");
    refuse(&nested(100_000), Code::TooLarge, "nested deeper");
    let arrays = format!(r#"{{"a":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    refuse(&arrays, Code::TooLarge, "nested deeper");
    let reader = Reader { bytes_max: 64, ..Reader::new(0) };
    let fault = reader.document(&format!(r#"{{"a":"{}"}}"#, "x".repeat(100))).expect_err("too large");
    assert_eq!(fault.code, Code::TooLarge);
}

#[test]
fn forms_differ_where_they_must() {
    let doc = read(
        r#"{"_id":{"$oid":"507f1f77bcf86cd799439011"},"i":1,"l":{"$numberLong":"5"},"big":{"$numberLong":"9007199254740993"},
        "d":2.0,"nan":{"$numberDouble":"NaN"},"at":{"$date":1700000000120},"zero":{"$date":0},"re":{"$regex":"a\"","$options":"i"},
        "u":{"$undefined":true},"ts":{"$timestamp":{"t":9,"i":1}},"old":{"$date":-5}}"#,
    )
    .expect("valid");
    let cases = [
        (
            Form::Sdk,
            r#"{"_id":"507f1f77bcf86cd799439011","i":1,"l":5,"big":{"$numberLong":"9007199254740993"},"d":2.0,"nan":{"$numberDouble":"NaN"},"at":{"$date":1700000000120},"zero":{"$date":0},"re":{"$regularExpression":{"pattern":"a\"","options":"i"}},"u":{"$undefined":true},"ts":{"$timestamp":{"t":9,"i":1}},"old":{"$date":-5}}"#,
        ),
        (
            Form::Plain,
            r#"{"_id":"507f1f77bcf86cd799439011","i":1,"l":5,"big":9007199254740993,"d":2.0,"nan":null,"at":{"$date":1700000000120},"zero":{"$date":"1970-01-01T00:00:00.000Z"},"re":{"$regex":"a\"","$options":"i"},"u":null,"ts":{"$timestamp":9},"old":{"$date":-5}}"#,
        ),
        (
            Form::Relaxed,
            r#"{"_id":{"$oid":"507f1f77bcf86cd799439011"},"i":1,"l":5,"big":9007199254740993,"d":2.0,"nan":{"$numberDouble":"NaN"},"at":{"$date":"2023-11-14T22:13:20.120Z"},"zero":{"$date":"1970-01-01T00:00:00.000Z"},"re":{"$regularExpression":{"pattern":"a\"","options":"i"}},"u":{"$undefined":true},"ts":{"$timestamp":{"t":9,"i":1}},"old":{"$date":{"$numberLong":"-5"}}}"#,
        ),
    ];
    for (form, expect) in cases {
        assert_eq!(text(doc.raw(), form), expect);
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<f64>().prop_map(Value::Double),
        any::<i32>().prop_map(Value::Int32),
        any::<i64>().prop_map(Value::Int64),
        any::<i64>().prop_map(Value::DateTime),
        any::<bool>().prop_map(Value::Bool),
        any::<String>().prop_map(Value::String),
        any::<String>().prop_map(Value::Symbol),
        any::<String>().prop_map(Value::JavaScript),
        any::<[u8; 12]>().prop_map(Value::ObjectId),
        any::<i64>().prop_map(|number| Value::Decimal128(Decimal128::from_i64(number))),
        any::<(u8, Vec<u8>)>().prop_map(|(subtype, bytes)| Value::Binary { subtype, bytes }),
        any::<(u32, u32)>().prop_map(|(seconds, increment)| Value::Timestamp { seconds, increment }),
        "[a-z\"\\\\^$.]{0,9}".prop_map(|pattern| Value::Regex { pattern, options: "im".to_owned() }),
        Just(Value::Null),
        Just(Value::MinKey),
        Just(Value::MaxKey),
        Just(Value::Undefined),
    ];
    leaf.prop_recursive(4, 48, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8)
                .prop_map(|values| Value::Array(values.iter().map(Value::as_ref).collect())),
            prop::collection::btree_map("[^\u{0}$][^\u{0}]{0,6}|", inner, 0..8).prop_map(|fields| {
                let mut builder = DocBuilder::new();
                fields.iter().for_each(|(name, value)| builder.put(name, value.as_ref()));
                Value::Document(builder.finish())
            }),
        ]
    })
}

fn holding(value: ValueRef<'_>) -> Doc {
    let mut builder = DocBuilder::new();
    builder.put("v", value);
    builder.finish()
}

/// What a JSON reader makes of a text inside texts.
fn unwrap_text(mut text: String, depth: usize) -> String {
    for _ in 0..depth {
        text = serde_json::from_str(&format!("\"{text}\"")).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    }
    text
}

proptest! {
    #[test]
    fn canonical_text_loses_nothing(value in any_value()) {
        let doc = holding(value.as_ref());
        let written = text(doc.raw(), Form::Canonical);
        let back = read(&written).unwrap_or_else(|fault| panic!("{written}: {fault}"));
        prop_assert_eq!(back.as_bytes(), doc.as_bytes(), "{}", written);
    }

    #[test]
    fn every_form_and_depth_is_the_same_text(value in any_value()) {
        let doc = holding(value.as_ref());
        for form in [Form::Canonical, Form::Relaxed, Form::Sdk, Form::Plain] {
            let plain = text(doc.raw(), form);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&plain).is_ok(), "{}", plain);
            let (mut once, mut twice) = (Vec::new(), Vec::new());
            Writer::<1>::new(&mut once, form).document(doc.raw());
            Writer::<2>::new(&mut twice, form).document(doc.raw());
            prop_assert_eq!(&unwrap_text(String::from_utf8(once).expect("text"), 1), &plain);
            prop_assert_eq!(&unwrap_text(String::from_utf8(twice).expect("text"), 2), &plain);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[{}\\[\\]\",:$a-z0-9.\\\\-]{0,64}") {
        let _ = read(&text);
        let _ = Reader::new(0).value(&text);
    }

    #[test]
    fn any_change_of_a_valid_text_is_read_or_refused(value in any_value(), place in any::<prop::sample::Index>(), byte in 0x20u8..0x7F) {
        let mut written = text(holding(value.as_ref()).raw(), Form::Canonical).into_bytes();
        let place = place.index(written.len());
        written[place] = byte;
        if let Ok(changed) = String::from_utf8(written) && let Ok(doc) = read(&changed) {
            prop_assert!(Doc::from_bytes(doc.into_bytes()).is_ok());
        }
    }
}
