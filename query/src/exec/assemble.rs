//! Documents made of index entries.

use storage::key::{Note, copy_into, skip};
use storage::{Doc, DocBuilder, IndexEntry, Open};

use crate::plan::{Cover, CoverPart};

/// The wanted fields of a document, from one of its entries; `None` where the entry cannot tell one of them exactly.
pub(super) fn assemble(cover: &Cover, entry: &IndexEntry<'_>) -> Option<Doc> {
    let mut out = DocBuilder::with_capacity(entry.fields.len() + 32);
    let mut rest = entry.fields;
    for (place, part) in cover.parts().iter().enumerate() {
        let note = entry.notes.get(place).map_or(Note::Plain, |byte| Note::from_byte(*byte));
        let size = take(part, rest, note, &mut out)?;
        rest = rest.get(size..)?;
    }
    Some(out.finish())
}

/// Puts a field where it belongs; says how many bytes of the entry it takes.
fn take(part: &CoverPart, rest: &[u8], note: Note, out: &mut DocBuilder) -> Option<usize> {
    let Some(path) = &part.path else { return skip(rest, part.direction) };
    match (path.parts(), note) {
        ([_], Note::Missing) => skip(rest, part.direction),
        ([name], note) => copy_into(rest, part.direction, note, name.name(), out),
        ([parents @ .., name], note) => {
            let open: Vec<Open> = parents.iter().map(|parent| out.open_document(parent.name())).collect();
            let size = copy_into(rest, part.direction, note, name.name(), out)?;
            open.into_iter().rev().for_each(|open| out.close(open));
            Some(size)
        }
        ([], _) => None,
    }
}
