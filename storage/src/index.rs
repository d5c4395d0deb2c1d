//! The entries that a document makes in an index.
//!
//! A geo field stands in a key as the number of a cell, written as a timestamp's 8 bytes: one entry for each cell that
//! the document's geometries touch. A document without a geometry in any geo field is left out.
//!
//! Field values are found the way MongoDB's key generator finds them: a missing field is null, an array on the way
//! makes one entry per element (at most one array per document and index), an empty array is undefined where it is the
//! value itself and null where the path goes on, and a numeric part is a position if the array has it.

use crate::catalog::{FieldOrder, Index, IndexField};
use crate::doc::{RawArray, RawDoc};
use crate::error::{Error, Result};
use crate::geo::{self, GeoFault, NO_CELL, is_leaf};
use crate::key::{self, EnvId, Note, Rid};
use crate::limits::{INDEX_ENTRIES_MAX, KEY_BYTES_MAX};
use crate::order::compare;
use crate::path::Part;
use crate::value::ValueRef;

/// The entries of one document in one index, in key order, each key once.
#[derive(Debug, Default)]
pub(crate) struct EntrySet {
    /// Keys and values, ready to be stored.
    pub(crate) entries: Vec<Entry>,
    /// Bit `i` is set if there is an array on the way to field `i`.
    pub(crate) multikey: u32,
}

/// One entry, ready to be stored.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

/// Computes the entries of a document.
///
/// # Errors
/// `ParallelArrays`, `TooLarge` (a key or the number of entries), `Unindexable` (no geometry under a geo field …).
pub(crate) fn entries(env: EnvId, index: &Index, doc: RawDoc<'_>, rid: Rid) -> Result<EntrySet> {
    let mut set = EntrySet::default();
    let is_text = index.text.is_some(); // its words are kept elsewhere
    if is_text || index.partial.as_ref().is_some_and(|partial| !(partial.matches)(doc)) {
        return Ok(set);
    }
    let cells = geo_cells(index, doc)?;
    if !cells.is_empty() && cells.iter().all(|(_, cells)| cells.is_empty()) {
        return Ok(set);
    }
    let mut maker = Maker { env, index, rid, cells, set: &mut set };
    let slots: Vec<Slot<'_, '_>> = index
        .fields
        .iter()
        .map(|field| match is_geo(field) {
            true => Slot::Found(None),
            false => Slot::Open { doc, parts: field.path.parts() },
        })
        .collect();
    maker.expand(slots)?;
    set.entries.sort_unstable();
    set.entries.dedup_by(|later, earlier| later.key == earlier.key);
    Ok(set)
}

/// A field on its way from the document to its value.
#[derive(Clone, Copy)]
enum Slot<'d, 'p> {
    /// The value is found; `None` is missing.
    Found(Option<ValueRef<'d>>),
    /// The rest of the path starts in this document.
    Open { doc: RawDoc<'d>, parts: &'p [Part] },
    /// The path came to an array; `parts` may be empty.
    Array { array: RawArray<'d>, parts: &'p [Part] },
}

struct Maker<'m> {
    env: EnvId,
    index: &'m Index,
    rid: Rid,
    /// The cells of each geo field, by the field's place in the index.
    cells: Vec<(usize, Vec<u64>)>,
    set: &'m mut EntrySet,
}

impl Maker<'_> {
    /// Resolves all fields; where one meets an array, makes the entries of each element.
    fn expand<'d>(&mut self, mut slots: Vec<Slot<'d, '_>>) -> Result<()> {
        for slot in &mut slots {
            *slot = resolve(*slot, self.index)?;
        }
        let Some(array) = self.common_array(&slots)? else { return self.emit(&slots) };
        for (field, slot) in slots.iter().enumerate() {
            if matches!(slot, Slot::Array { .. }) && field < 32 {
                self.set.multikey |= 1 << field;
            }
        }
        if array.is_empty() {
            return self.expand(slots.iter().map(|slot| without_elements(*slot)).collect());
        }
        for element in array.iter() {
            self.expand(slots.iter().map(|slot| with_element(*slot, element)).collect())?;
        }
        Ok(())
    }

    /// The array that fields have come to; there may be only one.
    fn common_array<'d>(&self, slots: &[Slot<'d, '_>]) -> Result<Option<RawArray<'d>>> {
        let mut common: Option<(usize, RawArray<'d>)> = None;
        for (field, slot) in slots.iter().enumerate() {
            let Slot::Array { array, .. } = slot else { continue };
            match common {
                None => common = Some((field, *array)),
                Some((first, other)) if !std::ptr::eq(other.as_bytes(), array.as_bytes()) => {
                    return Err(Error::ParallelArrays { first: self.path(first), second: self.path(field) });
                }
                Some(_) => {}
            }
        }
        Ok(common.map(|(_, array)| array))
    }

    fn path(&self, field: usize) -> String {
        self.index.fields.get(field).map(|field| field.path.to_string()).unwrap_or_default()
    }

    fn emit(&mut self, slots: &[Slot<'_, '_>]) -> Result<()> {
        let values: Vec<Option<ValueRef<'_>>> = slots
            .iter()
            .map(|slot| match slot {
                Slot::Found(value) => *value,
                Slot::Open { .. } | Slot::Array { .. } => None,
            })
            .collect();
        if self.index.sparse && values.iter().all(Option::is_none) {
            return Ok(());
        }
        self.emit_with_cells(values, 0)
    }

    /// One entry for each combination of cells.
    fn emit_with_cells(&mut self, mut values: Vec<Option<ValueRef<'_>>>, geo_field: usize) -> Result<()> {
        let Some((field, cells)) = self.cells.get(geo_field).cloned() else { return self.push(&values) };
        let cells = if cells.is_empty() { vec![NO_CELL] } else { cells };
        if field < 32
            && self.index.fields.get(field).is_some_and(|geo| geo.order == FieldOrder::Sphere && has_area(&cells))
        {
            self.set.multikey |= 1 << field;
        }
        for cell in cells {
            if let Some(value) = values.get_mut(field) {
                *value = Some(cell_value(cell));
            }
            self.emit_with_cells(values.clone(), geo_field + 1)?;
        }
        Ok(())
    }

    fn push(&mut self, values: &[Option<ValueRef<'_>>]) -> Result<()> {
        let entry = self.entry(values)?;
        if self.set.entries.len() >= INDEX_ENTRIES_MAX {
            let what = "number of index entries of one document";
            return Err(Error::TooLarge { what, bytes: INDEX_ENTRIES_MAX + 1, bytes_max: INDEX_ENTRIES_MAX });
        }
        self.set.entries.push(entry);
        Ok(())
    }

    fn entry(&self, values: &[Option<ValueRef<'_>>]) -> Result<Entry> {
        let collation = self.index.collation.as_deref();
        let mut key = Vec::with_capacity(48);
        key.extend_from_slice(&key::entries(self.env, self.index.id));
        let mut notes = Vec::new();
        for (field, value) in self.index.fields.iter().zip(values) {
            key::encode(value.unwrap_or(ValueRef::Null), field.order.direction(), collation, &mut key);
            notes.push(value.map_or(Note::Missing, |value| key::note_of(value, collation)) as u8);
        }
        if notes.iter().all(|note| *note == Note::Plain as u8) {
            notes.clear();
        }
        if key.len() > KEY_BYTES_MAX {
            return Err(Error::TooLarge { what: "index key", bytes: key.len(), bytes_max: KEY_BYTES_MAX });
        }
        let rid = self.rid.0.to_be_bytes();
        match self.index.unique {
            true => Ok(Entry { key, value: [rid.as_slice(), &notes].concat() }),
            false => {
                key.extend_from_slice(&rid);
                Ok(Entry { key, value: notes })
            }
        }
    }
}

/// Follows a path until its value or an array.
fn resolve<'d, 'p>(slot: Slot<'d, 'p>, index: &Index) -> Result<Slot<'d, 'p>> {
    let Slot::Open { mut doc, mut parts } = slot else { return Ok(slot) };
    loop {
        let Some((part, rest)) = parts.split_first() else { return Ok(Slot::Found(Some(ValueRef::Document(doc)))) };
        match doc.get(part.name()) {
            Some(ValueRef::Array(array)) => return resolve_array(array, rest, index),
            Some(ValueRef::Document(inner)) if !rest.is_empty() => (doc, parts) = (inner, rest),
            Some(value) if rest.is_empty() => return Ok(Slot::Found(Some(value))),
            _ => return Ok(Slot::Found(None)),
        }
    }
}

/// A numeric part picks the element at its position; otherwise all elements are wanted.
fn resolve_array<'d, 'p>(array: RawArray<'d>, parts: &'p [Part], index: &Index) -> Result<Slot<'d, 'p>> {
    let Some((part, rest)) = parts.split_first() else { return Ok(Slot::Array { array, parts }) };
    let Some(element) = part.index().and_then(|position| array.get(position as usize)) else {
        return Ok(Slot::Array { array, parts });
    };
    let named = |value: ValueRef<'_>| value.as_doc().is_some_and(|doc| doc.get(part.name()).is_some());
    if array.iter().any(named) {
        return Err(Error::Unindexable {
            index: index.name.clone(),
            reason: format!("'{}' is both a position and a field name in an array", part.name()),
            number: 16746,
        });
    }
    match element {
        ValueRef::Array(inner) => resolve_array(inner, rest, index),
        ValueRef::Document(doc) if !rest.is_empty() => resolve(Slot::Open { doc, parts: rest }, index),
        value if rest.is_empty() => Ok(Slot::Found(Some(value))),
        _ => Ok(Slot::Found(None)),
    }
}

/// How the number of a cell stands in a key.
pub fn cell_value(cell: u64) -> ValueRef<'static> {
    let [high, low] = [cell >> 32, cell & u64::from(u32::MAX)].map(|half| u32::try_from(half).unwrap_or_default());
    ValueRef::Timestamp { seconds: high, increment: low }
}

/// The number of the cell that begins this part of a key; the reverse of [`cell_value`].
pub fn cell_of(field: &[u8]) -> Option<u64> {
    let (_, number) = field.split_first()?;
    number.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
}

/// Is a cell larger than a point's among them? Searches look above the cells of points only where there may be one.
fn has_area(cells: &[u64]) -> bool {
    cells.iter().any(|cell| *cell != NO_CELL && !is_leaf(*cell))
}

fn is_geo(field: &IndexField) -> bool {
    matches!(field.order, FieldOrder::Sphere | FieldOrder::Plane)
}

/// The cells of every geo field.
fn geo_cells(index: &Index, doc: RawDoc<'_>) -> Result<Vec<(usize, Vec<u64>)>> {
    let geo_fields = index.fields.iter().enumerate().filter(|(_, field)| is_geo(field));
    geo_fields.map(|(place, field)| Ok((place, cells_of_field(index, field, doc)?))).collect()
}

fn cells_of_field(index: &Index, field: &IndexField, doc: RawDoc<'_>) -> Result<Vec<u64>> {
    let mut values = Vec::new();
    geo_values(ValueRef::Document(doc), field.path.parts(), &mut values);
    // One absent value is none; among geometries, or beside an absent value of another kind, it is a fault.
    let same = |one: &ValueRef<'_>, other: &ValueRef<'_>| compare(*one, *other).is_eq();
    if values.first().is_none_or(|first| geo::is_absent(*first) && values.iter().all(|value| same(first, value))) {
        return Ok(Vec::new());
    }
    let mut cells = Vec::new();
    for value in values {
        let found = match field.order {
            FieldOrder::Plane => index.grid.cells(value),
            _ => geo::sphere_cells(value),
        };
        let unindexable = |fault: GeoFault| {
            let (reason, number) = (fault.to_string(), fault.code());
            Error::Unindexable { index: index.name.clone(), reason, number }
        };
        cells.extend(found.map_err(unindexable)?);
    }
    cells.sort_unstable();
    cells.dedup();
    Ok(cells)
}

/// The values at a path that may be geometries: arrays on the way are entered, an array at the end is one value, for it
/// may be a coordinate pair. (A 2d index takes a list of pairs as one value, too; a 2dsphere index refuses it.)
pub fn geo_values<'d>(value: ValueRef<'d>, parts: &[Part], found: &mut Vec<ValueRef<'d>>) {
    let Some((part, rest)) = parts.split_first() else { return found.push(value) };
    match value {
        ValueRef::Document(doc) => {
            if let Some(inner) = doc.get(part.name()) {
                geo_values(inner, rest, found);
            }
        }
        ValueRef::Array(list) => match part.index().and_then(|position| list.get(position as usize)) {
            Some(element) => geo_values(element, rest, found),
            None => list.iter().for_each(|element| geo_values(element, parts, found)),
        },
        _ => {}
    }
}

fn with_element<'d, 'p>(slot: Slot<'d, 'p>, element: ValueRef<'d>) -> Slot<'d, 'p> {
    match slot {
        Slot::Array { parts: [], .. } => Slot::Found(Some(element)),
        Slot::Array { parts, .. } => match element {
            ValueRef::Document(doc) => Slot::Open { doc, parts },
            _ => Slot::Found(None),
        },
        other => other,
    }
}

fn without_elements<'d, 'p>(slot: Slot<'d, 'p>) -> Slot<'d, 'p> {
    match slot {
        Slot::Array { parts: [], .. } => Slot::Found(Some(ValueRef::Undefined)),
        Slot::Array { .. } => Slot::Found(None),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{IndexState, codec};
    use crate::doc::Doc;
    use crate::key::{Direction, IndexId};

    fn index(fields: &[&str], sparse: bool) -> Index {
        Index {
            id: IndexId(7),
            name: "test".into(),
            fields: fields.iter().map(|path| codec::field(path, FieldOrder::Ascending)).collect(),
            unique: false,
            sparse,
            partial: None,
            expire_after_s: None,
            collation: None,
            state: IndexState::Ready,
            multikey: 0,
            progress: Default::default(),
            grid: Default::default(),
            text: None,
        }
    }

    fn doc(json: bson::Document) -> Doc {
        Doc::from_bytes(json.to_vec().expect("encodes")).expect("valid")
    }

    /// The values of each entry, shown; in key order.
    fn keys(index: &Index, json: bson::Document) -> Result<(Vec<String>, u32)> {
        let set = entries(EnvId(1), index, doc(json).raw(), Rid(9))?;
        let show = |entry: &Entry| {
            assert_eq!(key::trailing_u64(&entry.key), Some(9));
            let (mut at, mut shown) = (8, Vec::new());
            for (field, _) in index.fields.iter().enumerate() {
                let note = entry.value.get(field).map_or(Note::Plain, |byte| Note::from_byte(*byte));
                if note == Note::Missing {
                    at += key::skip(&entry.key[at..], Direction::Ascending).expect("a value");
                    shown.push("missing".to_owned());
                    continue;
                }
                let (value, size) = key::decode(&entry.key[at..], Direction::Ascending, note).expect("readable");
                at += size;
                shown.push(format!("{:?}", value.as_ref()));
            }
            shown.join(" ")
        };
        Ok((set.entries.iter().map(show).collect(), set.multikey))
    }

    fn check(fields: &[&str], json: bson::Document, expect: &[&str], multikey: u32) {
        let (found, bits) = keys(&index(fields, false), json).expect("indexable");
        assert_eq!(found, expect, "{fields:?}");
        assert_eq!(bits, multikey, "{fields:?}");
    }

    #[test]
    fn the_number_of_a_cell_is_read_back_from_its_key() {
        for cell in [0, 1, 0x1234_5678_9ABC_DEF1, u64::MAX] {
            let mut key = Vec::new();
            key::encode(cell_value(cell), key::Direction::Ascending, None, &mut key);
            assert_eq!(cell_of(&key), Some(cell));
        }
    }

    #[test]
    fn entries_are_mongodbs() {
        use bson::doc;
        check(&["a"], doc! {"a": 5}, &["Int32(5)"], 0);
        check(&["a"], doc! {"b": 5}, &["missing"], 0);
        check(&["a"], doc! {"a": [3, 1, 3]}, &["Int32(1)", "Int32(3)"], 1);
        check(&["a"], doc! {"a": []}, &["Undefined"], 1);
        check(&["a"], doc! {"a": [[1, 2]]}, &["Array([Int32(1), Int32(2)])"], 1);
        check(&["a.b"], doc! {"a": {"b": 1.0}}, &["Double(1.0)"], 0);
        check(&["a.b"], doc! {"a": []}, &["missing"], 1);
        check(&["a.b"], doc! {"a": 5}, &["missing"], 0);
        check(&["a.b"], doc! {"a": [{"b": 1}, 5, {"b": [2, 3]}]}, &["missing", "Int32(1)", "Int32(2)", "Int32(3)"], 1);
        check(&["a.b"], doc! {"a": [[{"b": 1}]]}, &["missing"], 1);
        check(&["a.0"], doc! {"a": [7, 8]}, &["Int32(7)"], 0);
        check(&["a.0.b"], doc! {"a": [{"b": 1}, {"b": 2}]}, &["Int32(1)"], 0);
        check(&["a.5"], doc! {"a": [{"5": 1}]}, &["Int32(1)"], 1);
        check(&["a.b", "a.c"], doc! {"a": [{"b": 1, "c": 2}, {"b": 3}]}, &["Int32(1) Int32(2)", "Int32(3) missing"], 3);
        check(&["a", "b"], doc! {"a": [1, 2], "b": 3}, &["Int32(1) Int32(3)", "Int32(2) Int32(3)"], 1);
        check(&["a"], doc! {"a": 5i64}, &["Int64(5)"], 0);
    }

    #[test]
    fn geo_fields_make_an_entry_for_each_cell() {
        let mut index = index(&["kind", "at"], false);
        index.fields[1].order = FieldOrder::Sphere;
        let count = |json| entries(EnvId(1), &index, doc(json).raw(), Rid(9)).map(|set| set.entries.len());
        assert_eq!(count(bson::doc! {"kind": 1, "at": [116.4, 39.9]}).expect("indexable"), 1);
        assert_eq!(count(bson::doc! {"kind": [1, 2], "at": {"lng": 116.4, "lat": 39.9}}).expect("indexable"), 2);
        assert_eq!(count(bson::doc! {"kind": 1}).expect("left out"), 0);
        let line = bson::doc! {"type": "LineString", "coordinates": [[0, 0], [40, 40]]};
        assert!(count(bson::doc! {"kind": 1, "at": line}).expect("indexable") > 1);
        for at in [bson::bson!("nowhere"), bson::bson!([[116.4, 39.9], [0, 0]]), bson::bson!([200, 0])] {
            assert!(matches!(count(bson::doc! {"at": at}), Err(Error::Unindexable { number: 16755, .. })));
        }
    }

    #[test]
    fn geometries_are_found_along_arrays() {
        let count = |order, json| {
            let mut index = index(&["a.at"], false);
            index.fields[0].order = order;
            entries(EnvId(1), &index, doc(json).raw(), Rid(9)).map(|set| set.entries.len())
        };
        let sphere = |json| count(FieldOrder::Sphere, json);
        assert_eq!(sphere(bson::doc! {"a": [{"at": [1, 1]}, {"at": [2, 2]}, {"b": 1}, 5]}).expect("indexable"), 2);
        let absent =
            [bson::bson!([{"at": null}, {"at": null}]), bson::bson!([{"at": []}]), bson::bson!([]), bson::bson!(1)];
        for at in absent {
            assert_eq!(sphere(bson::doc! {"a": at}).expect("left out"), 0);
        }
        for wrong in [bson::bson!([{"at": [1, 1]}, {"at": null}]), bson::bson!([{"at": null}, {"at": []}])] {
            assert!(matches!(sphere(bson::doc! {"a": wrong}), Err(Error::Unindexable { number: 16755, .. })));
        }
        let plane = |json| count(FieldOrder::Plane, json);
        assert_eq!(plane(bson::doc! {"a": {"at": [[1, 1], [2, 2]]}}).expect("indexable"), 2);
        assert_eq!(plane(bson::doc! {"a": {"at": "nowhere"}}).expect("left out"), 0);
        assert!(matches!(plane(bson::doc! {"a": {"at": [200, 1]}}), Err(Error::Unindexable { number: 13027, .. })));
    }

    #[test]
    fn parallel_arrays_are_refused() {
        for json in [bson::doc! {"a": [1], "b": [2]}, bson::doc! {"a": [], "b": []}] {
            assert!(matches!(keys(&index(&["a", "b"], false), json), Err(Error::ParallelArrays { .. })));
        }
        assert!(matches!(keys(&index(&["a.0"], false), bson::doc! {"a": [{"0": 1}]}), Err(Error::Unindexable { .. })));
    }

    #[test]
    fn sparse_leaves_out_documents_without_any_field() {
        let index = index(&["a", "b"], true);
        assert!(keys(&index, bson::doc! {"c": 1}).expect("indexable").0.is_empty());
        assert_eq!(keys(&index, bson::doc! {"b": null}).expect("indexable").0, ["missing Null"]);
    }
}
