//! Documents from entries alone: whether an index holds everything that is wanted of the documents.

use storage::{Direction, FieldOrder, Index, IndexField, Path};

use super::{RowsWanted, Wanted};

/// How documents are made of the entries of an index: one part for each field of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cover(Vec<CoverPart>);

/// What becomes of a field of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverPart {
    /// How it is written in the entry.
    pub direction: Direction,
    /// Where it stands in the document, if it is wanted.
    pub path: Option<Path>,
}

impl Cover {
    /// How this index makes what is wanted; `None` where it does not hold all of that. An entry holds the value itself
    /// only where no array was taken apart; fields below one another would have to be woven together.
    pub fn of(index: &Index, wanted: &Wanted<'_>) -> Option<Cover> {
        let RowsWanted::Values(paths) = wanted.rows else { return None };
        if index.multikey != 0 || index.collation.is_some() || index.sparse {
            return None;
        }
        let fields = &index.fields;
        let held = |path: &Path| fields.iter().any(|field| field.path == *path && is_plain(field));
        let alone = |path: &Path| paths.iter().filter(|other| other.head() == path.head()).count() == 1;
        let named = |path: &Path| path.parts().iter().all(|part| part.index().is_none());
        if !paths.iter().all(|path| held(path) && alone(path) && named(path)) {
            return None;
        }
        let part = |field: &IndexField| CoverPart {
            direction: field.order.direction(),
            path: paths.contains(&field.path).then(|| field.path.clone()),
        };
        Some(Cover(fields.iter().map(part).collect()))
    }

    /// The parts, in the order of the index's fields.
    pub fn parts(&self) -> &[CoverPart] {
        &self.0
    }
}

fn is_plain(field: &IndexField) -> bool {
    matches!(field.order, FieldOrder::Ascending | FieldOrder::Descending)
}
