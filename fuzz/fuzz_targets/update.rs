//! Updates from outside: refused with an error, or they make a document that is whole, keeps its `_id`, and differs from the
//! one before.
#![no_main]

use libfuzzer_sys::fuzz_target;
use query::update::Update;
use query::{Change, Cx, Filter};
use storage::{Doc, DocBuilder, ValueRef};
use waferdb_fuzz::{Grower, session, update_words};

fuzz_target!(|bytes: &[u8]| {
    let mut grower = Grower::new(bytes);
    let subject = with_id(&grower.document());
    let words = update_words();
    grower.speak(&words);
    let change = match grower.byte() % 4 {
        0 => Change::Replacement(grower.document()),
        1 => Change::Pipeline(vec![grower.document()]),
        _ => Change::Operators(grower.document()),
    };
    let array_filters = if grower.byte() % 4 == 0 { vec![grower.document()] } else { Vec::new() };
    let session = session();
    let cx = Cx::new(&session, None);
    let Ok(update) = Update::parse(&change, &array_filters, &cx) else { return };
    let Ok(Some(matched)) = Filter::Always(true).matched(subject.raw(), &cx) else { return };
    let Ok(Some(changed)) = update.apply(subject.raw(), matched, &cx) else { return };
    let whole = Doc::from_bytes(changed.doc.as_bytes().to_vec());
    assert!(whole.is_ok(), "{change:?} made of {subject:?} a broken {:?}", changed.doc);
    assert_eq!(changed.doc.get("_id"), subject.get("_id"), "{change:?} on {subject:?}");
    assert_ne!(changed.doc.as_bytes(), subject.as_bytes(), "{change:?} changed nothing of {subject:?} and says it did");
});

fn with_id(doc: &Doc) -> Doc {
    let mut builder = DocBuilder::new();
    builder.put("_id", ValueRef::Int32(1));
    doc.raw().iter().filter(|(name, _)| *name != "_id").for_each(|(name, value)| builder.put(name, value));
    builder.finish()
}
