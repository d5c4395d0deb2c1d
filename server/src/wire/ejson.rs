//! MongoDB Extended JSON (version 2) as text, and the documents that it stands for.
//!
//! Reading ([`Reader`]) goes from text to BSON bytes in one pass and builds no tree; writing ([`Writer`]) goes the
//! same way back, straight into an answer's buffer. Both know every wrapper of the specification, the older spellings
//! that drivers still send, and what the CloudBase SDKs add to them (`$tcb_server_date`, JavaScript's flags of regular
//! expressions). Neither knows what a document is for: names that begin with `$` and are no wrapper stay names.
//!
//! ```
//! use server::wire::ejson::{Form, Reader, text};
//! let reader = Reader::new(0);
//! let doc = reader.document(r#"{"n":{"$numberInt":"1"},"at":{"$date":{"$numberLong":"5"}}}"#)?;
//! assert_eq!(text(doc.raw(), Form::Sdk), r#"{"n":1,"at":{"$date":5}}"#);
//! # Ok::<(), query::Error>(())
//! ```

mod date;
mod read;
mod surrogate;
#[cfg(test)]
mod tests;
mod wrapper;
mod write;

use storage::RawDoc;

pub use read::Reader;
pub use wrapper::WRAPPERS;
pub use write::{Form, Writer};

/// A document as text.
pub fn text(doc: RawDoc<'_>, form: Form) -> String {
    let mut out = Vec::with_capacity(doc.as_bytes().len());
    Writer::<0>::new(&mut out, form).document(doc);
    // The writer copies whole texts and ASCII only.
    String::from_utf8(out).unwrap_or_default()
}
