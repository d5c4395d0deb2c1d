//! How long the document codec takes for one record of about 900 bytes of JSON: `cargo bench -p server --bench ejson`.

use std::hint::black_box;
use std::time::Instant;

use server::wire::ejson::{Form, Reader, Writer};

const RECORD: &str = r#"{"_id":"65f1c0de9a4b3c2d1e0f5a6b7c8d9e0f","title":"Buy oat milk and two loaves of rye bread","owner":"oABCD-1234567890abcdefghij","done":false,"priority":3,"score":17.25,"created":{"$date":1700000000123},"due":{"$date":1700086400123},"tags":["home","shopping","urgent","weekly"],"place":{"type":"Point","coordinates":[113.32452,23.099994]},"address":{"street":"Long Street 12","city":"Guangzhou","zip":"510000","country":"CN"},"items":[{"name":"oat milk","count":2,"price":12.5},{"name":"rye bread","count":2,"price":9.75},{"name":"butter","count":1,"price":15.0}],"note":"Ask for the bread that was baked this morning; if there is none, the shop next door has some as well, but it closes early on Sundays and public holidays.","history":[{"at":{"$date":1700000000123},"by":"oABCD-1234567890abcdefghij","what":"created"},{"at":{"$date":1700000100123},"by":"oABCD-1234567890abcdefghij","what":"edited"}],"rev":12,"archived":null}"#;

fn main() -> Result<(), query::Error> {
    let reader = Reader::new(0);
    let doc = reader.document(RECORD)?;
    let canonical = server::wire::ejson::text(doc.raw(), Form::Canonical);
    println!("text {} bytes, canonical {} bytes, BSON {} bytes", RECORD.len(), canonical.len(), doc.as_bytes().len());
    measure("read relaxed", || drop(black_box(reader.document(black_box(RECORD)))));
    measure("read canonical", || drop(black_box(reader.document(black_box(&canonical)))));
    measure("reference: tree", || drop(black_box(serde_json::from_str::<serde_json::Value>(black_box(RECORD)))));
    measure("reference: skim", || {
        drop(black_box(serde_json::from_str::<&serde_json::value::RawValue>(black_box(RECORD))))
    });
    let mut out = Vec::with_capacity(4096);
    measure("write plain", || {
        out.clear();
        Writer::<0>::new(&mut out, Form::Sdk).document(black_box(doc.raw()));
    });
    let mut out = Vec::with_capacity(4096);
    measure("write inside a text", || {
        out.clear();
        Writer::<1>::new(&mut out, Form::Sdk).document(black_box(doc.raw()));
    });
    Ok(())
}

/// Prints the best of several rounds, which is what a noisy machine disturbs least.
fn measure(name: &str, mut run: impl FnMut()) {
    const ROUND: u32 = 20_000;
    let best = (0..20)
        .map(|_| {
            let start = Instant::now();
            (0..ROUND).for_each(|_| run());
            start.elapsed() / ROUND
        })
        .min();
    println!("{name:>20}: {:?}", best.unwrap_or_default());
}
