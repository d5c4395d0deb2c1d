//! JSON from outside: refused with an error, or read into a document which, written down without loss, reads back the same;
//! the other forms of writing are JSON too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use server::wire::ejson::{Form, Reader, text};
use waferdb_fuzz::Grower;

fuzz_target!(|bytes: &[u8]| {
    let reader = Reader::new(0);
    if let Ok(given) = std::str::from_utf8(bytes)
        && let Ok(doc) = reader.document(given)
    {
        comes_back(&doc);
    }
    comes_back(&Grower::new(bytes).document());
});

fn comes_back(doc: &storage::Doc) {
    for form in [Form::Canonical, Form::Relaxed, Form::Sdk, Form::Plain] {
        let written = text(doc.raw(), form);
        assert!(serde_json::from_str::<Value>(&written).is_ok(), "{form:?} of {doc:?} is no JSON: {written}");
    }
    let written = text(doc.raw(), Form::Canonical);
    // A document may repeat a name and hold one that is a wrapper's; a text may not.
    let Ok(again) = Reader::new(0).document(&written) else { return };
    assert_eq!(text(again.raw(), Form::Canonical), written, "{doc:?}");
}
