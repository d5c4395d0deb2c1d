//! Filters from outside: refused with an error, or evaluated without a panic, and with the truth values of logic: `$nor`
//! denies, `$and` and `$or` of one member repeat.
#![no_main]

use libfuzzer_sys::fuzz_target;
use query::{Cx, Filter};
use storage::{Doc, DocBuilder, ValueRef};
use waferdb_fuzz::{Grower, filter_words, session};

fuzz_target!(|bytes: &[u8]| {
    let mut grower = Grower::new(bytes);
    let subject = grower.document();
    let words = filter_words();
    grower.speak(&words);
    let asked = grower.document();
    let session = session();
    let cx = Cx::new(&session, None);
    let Some(plain) = truth(&asked, &subject, &cx) else { return };
    for (operator, wanted) in [("$and", plain), ("$or", plain), ("$nor", !plain)] {
        let Some(found) = truth(&within(operator, &asked), &subject, &cx) else { continue };
        assert_eq!(found, wanted, "{operator} of {asked:?} on {subject:?}");
    }
});

/// What chance decides has no fixed truth; what a search decides needs an index.
fn truth(asked: &Doc, subject: &Doc, cx: &Cx<'_>) -> Option<bool> {
    let text = format!("{asked:?}");
    if text.contains("$sampleRate") || text.contains("$rand") || text.contains("$text") {
        return None;
    }
    Filter::parse(asked.raw(), cx).ok()?.matches(subject.raw(), cx).ok()
}

fn within(operator: &str, asked: &Doc) -> Doc {
    let mut builder = DocBuilder::new();
    let list = builder.open_array(operator);
    builder.put("0", ValueRef::Document(asked.raw()));
    builder.close(list);
    builder.finish()
}
