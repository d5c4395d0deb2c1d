//! Sort orders: reading the specification, and turning documents into keys whose bytes compare in that order.
//!
//! A document with arrays has several keys; it is sorted by the least of them in the direction of the sort, so an
//! ascending field takes the least element and a descending one the greatest.

use std::cmp::Ordering;

use storage::key::{self, Direction};
use storage::{Part, Path, RawArray, RawDoc, Value, ValueRef};

use crate::cx::Cx;
use crate::error::{Error, Result, number};

/// A sort order.
#[derive(Clone, Debug, Default)]
pub struct Sort {
    /// The fields, the first deciding first; empty means the natural order.
    pub fields: Vec<SortField>,
    /// With no fields: insertion order backwards.
    pub backwards: bool,
}

/// One part of a sort order.
#[derive(Clone, Debug)]
pub struct SortField {
    /// What is compared.
    pub by: SortBy,
    /// In which direction.
    pub direction: Direction,
}

/// What a part of a sort order compares.
#[derive(Clone, Debug)]
pub enum SortBy {
    /// The values at a path.
    Path(Path),
    /// What the search found out about the document.
    Meta(Meta),
}

/// What a search can find out about a document beside its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meta {
    /// How well the words of `$text` fit.
    TextScore,
    /// A number by chance.
    RandomValue,
    /// The distance that `$near` measured.
    GeoDistance,
    /// The point that `$near` measured to.
    GeoPoint,
    /// Where the words of `$text` stand.
    Highlights,
    /// The key of the index by which the document was found.
    IndexKey,
}

/// Most fields of a sort order.
const FIELDS_MAX: usize = 32;

/// MongoDB's numbers for malformed sort orders.
const TOO_MANY_FIELDS: i32 = 13103;
const NOT_A_DIRECTION: i32 = 15974;
const OTHER_DIRECTION: i32 = 15975;
const ONLY_META: i32 = 17312;
const UNKNOWN_META: i32 = 31138;
/// MongoDB's number for a number in a path that is both a position and a name.
const AMBIGUOUS_FIELD: i32 = 16746;

impl Sort {
    /// Reads `{a: 1, "b.c": -1}`, `{$natural: -1}` or `{score: {$meta: "textScore"}}`.
    ///
    /// # Errors
    /// MongoDB's numbers: 15974 and 15975 for a direction that is not 1 or -1, 15998, 16410, 40352 and 40353 for
    /// malformed paths, 13103 beyond 32 fields.
    pub fn parse(doc: RawDoc<'_>) -> Result<Sort> {
        if let Some(direction) = doc.get("$natural") {
            if doc.elements().count() > 1 {
                return Err(Error::mongo(number::BAD_VALUE, "$natural cannot be combined with other sort fields"));
            }
            let backwards = direction.as_f64().is_some_and(|number| number < 0.0);
            return Ok(Sort { fields: Vec::new(), backwards });
        }
        let fields = doc.iter().map(|(name, value)| SortField::read(name, value)).collect::<Result<Vec<_>>>()?;
        match fields.len() {
            0..=FIELDS_MAX => Ok(Sort { fields, backwards: false }),
            count => {
                Err(Error::mongo(TOO_MANY_FIELDS, format!("{count} sort fields, at most {FIELDS_MAX} are allowed")))
            }
        }
    }

    /// What has to be found out about each document for this order.
    pub fn metas(&self) -> Vec<Meta> {
        let of_field = |field: &SortField| match field.by {
            SortBy::Meta(meta) => Some(meta),
            SortBy::Path(_) => None,
        };
        self.fields.iter().filter_map(of_field).collect()
    }

    /// Is this the order of insertion?
    pub const fn is_natural(&self) -> bool {
        self.fields.is_empty()
    }

    /// Appends the document's key: of two documents the one with the smaller bytes comes first.
    ///
    /// # Errors
    /// 2 where two fields of the order lead to different arrays of the document.
    pub fn key(&self, doc: RawDoc<'_>, cx: &Cx<'_>, out: &mut Vec<u8>) -> Result<()> {
        self.key_with(doc, cx, |_| Value::Null, out)
    }

    /// Like [`Sort::key`], with the values that the search found out.
    ///
    /// # Errors
    /// 2 where two fields of the order lead to different arrays of the document.
    pub fn key_with(
        &self,
        doc: RawDoc<'_>,
        cx: &Cx<'_>,
        meta: impl Fn(Meta) -> Value,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let start = out.len();
        for field in &self.fields {
            let found = match &field.by {
                SortBy::Path(path) => plain(doc, path),
                SortBy::Meta(kind) => {
                    key::encode(meta(*kind).as_ref(), field.direction, None, out);
                    continue;
                }
            };
            let Some(value) = found else {
                out.truncate(start);
                let keys = self.keys(doc, cx, meta)?;
                out.extend(keys.into_iter().min().unwrap_or_default());
                return Ok(());
            };
            key::encode(value, field.direction, cx.collation, out);
        }
        Ok(())
    }

    /// Every key of the document: one for each element of the arrays that the order leads to, as an index has it.
    ///
    /// # Errors
    /// 2 where two fields of the order lead to different arrays of the document, 16746 where a number in a path is
    /// both a position and a field name.
    pub fn keys(&self, doc: RawDoc<'_>, cx: &Cx<'_>, meta: impl Fn(Meta) -> Value) -> Result<Vec<Vec<u8>>> {
        let metas: Vec<Value> = self.fields.iter().map(|field| field.meta(&meta)).collect();
        let fields = self.fields.iter().zip(&metas).map(|(field, meta)| match &field.by {
            SortBy::Path(path) => Trail { rest: path.parts(), value: ValueRef::Null, element: None },
            SortBy::Meta(_) => Trail { rest: &[], value: meta.as_ref(), element: None },
        });
        let mut keys = Vec::new();
        expand(fields.collect(), doc, cx, &mut |row| {
            let mut key = Vec::with_capacity(row.len() * 12);
            for (trail, field) in row.iter().zip(&self.fields) {
                key::encode(trail.value, field.direction, cx.collation, &mut key);
            }
            keys.push(key);
        })?;
        Ok(keys)
    }

    /// Compares two documents. For many documents, keys are cheaper.
    ///
    /// # Errors
    /// As [`Sort::key`].
    pub fn compare(&self, a: RawDoc<'_>, b: RawDoc<'_>, cx: &Cx<'_>) -> Result<Ordering> {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        self.key(a, cx, &mut left)?;
        self.key(b, cx, &mut right)?;
        Ok(left.cmp(&right))
    }
}

impl SortField {
    fn read(name: &str, value: ValueRef<'_>) -> Result<SortField> {
        if let ValueRef::Document(doc) = value {
            let by = SortBy::Meta(Meta::read(doc)?);
            return Ok(SortField { by, direction: Direction::Descending });
        }
        check_path(name)?;
        let direction = direction(name, value)?;
        Ok(SortField { by: SortBy::Path(Path::new(name)), direction })
    }

    fn meta(&self, meta: impl Fn(Meta) -> Value) -> Value {
        match &self.by {
            SortBy::Meta(kind) => meta(*kind),
            SortBy::Path(_) => Value::Null,
        }
    }
}

impl Sort {
    /// Is it by how well words fit, and nothing else?
    pub fn is_best_first(&self) -> bool {
        matches!(self.fields.as_slice(), [field] if matches!(field.by, SortBy::Meta(Meta::TextScore)))
    }
}

impl Meta {
    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Meta::TextScore => "textScore",
            Meta::RandomValue => "randVal",
            Meta::GeoDistance => "geoNearDistance",
            Meta::GeoPoint => "geoNearPoint",
            Meta::Highlights => "searchHighlights",
            Meta::IndexKey => "indexKey",
        }
    }

    fn read(doc: RawDoc<'_>) -> Result<Meta> {
        let mut fields = doc.iter();
        let Some(("$meta", kind)) = fields.next() else {
            return Err(Error::mongo(ONLY_META, "$meta is the only expression that a sort order can hold"));
        };
        if fields.next().is_some() {
            return Err(Error::mongo(number::FAILED_TO_PARSE, "$meta in a sort order must stand alone"));
        }
        match kind.as_str() {
            Some("textScore") => Ok(Meta::TextScore),
            Some("randVal") => Ok(Meta::RandomValue),
            Some("geoNearDistance") => Ok(Meta::GeoDistance),
            Some("geoNearPoint") => Ok(Meta::GeoPoint),
            _ => Err(Error::mongo(UNKNOWN_META, format!("$meta {kind:?} cannot be sorted by; use \"textScore\""))),
        }
    }
}

fn direction(name: &str, value: ValueRef<'_>) -> Result<Direction> {
    let Some(number) = value.as_f64() else {
        let message = format!("the sort direction of {name:?} must be 1 or -1, found {value:?}");
        return Err(Error::mongo(NOT_A_DIRECTION, message));
    };
    match number.trunc() {
        1.0 => Ok(Direction::Ascending),
        -1.0 => Ok(Direction::Descending),
        _ => Err(Error::mongo(
            OTHER_DIRECTION,
            format!("the sort direction of {name:?} must be 1 or -1, found {number}"),
        )),
    }
}

/// Refuses paths with empty or `$` parts.
///
/// # Errors
/// 40352 for an empty path, 40353 for a dot at the end, 15998 for an empty part, 16410 for a part that begins with `$`.
pub(crate) fn check_path(path: &str) -> Result<()> {
    if path.is_empty() {
        return Err(Error::mongo(40352, "a path must not be empty"));
    }
    if path.ends_with('.') {
        return Err(Error::mongo(40353, format!("the path {path:?} must not end with a dot")));
    }
    if path.split('.').any(str::is_empty) {
        return Err(Error::mongo(15998, format!("the path {path:?} has an empty part")));
    }
    if path.split('.').any(|part| part.starts_with('$')) {
        return Err(Error::mongo(
            16410,
            format!("a part of the path {path:?} begins with $, which only $getField reaches"),
        ));
    }
    Ok(())
}

/// The value at a path without an array in it, null where nothing is; `None` where there is an array.
fn plain<'d>(doc: RawDoc<'d>, path: &Path) -> Option<ValueRef<'d>> {
    let mut value = ValueRef::Document(doc);
    for part in path.parts() {
        value = match value {
            ValueRef::Document(doc) => doc.get(part.name()).unwrap_or(ValueRef::Null),
            ValueRef::Array(_) => return None,
            _ => ValueRef::Null,
        };
    }
    (!matches!(value, ValueRef::Array(_))).then_some(value)
}

/// How far one field's path has been followed.
#[derive(Clone, Copy)]
struct Trail<'d, 'p> {
    /// What is left of the path; where nothing is, `value` counts.
    rest: &'p [Part],
    value: ValueRef<'d>,
    /// Inside of an array that has an element at the position that `rest` begins with.
    element: Option<Found<'d, 'p>>,
}

/// What a path leads to: nothing, an array on the way, or the value at its end.
#[derive(Clone, Copy)]
struct Found<'d, 'p> {
    value: Option<ValueRef<'d>>,
    rest: &'p [Part],
    /// Is the element at the position itself an array? Such an array counts as a whole.
    nested: bool,
}

/// Follows a path until its end or an array.
fn find<'d, 'p>(mut doc: RawDoc<'d>, mut parts: &'p [Part]) -> (Option<ValueRef<'d>>, &'p [Part]) {
    while let Some((part, rest)) = parts.split_first() {
        match doc.get(part.name()) {
            Some(ValueRef::Document(inner)) if !rest.is_empty() => doc = inner,
            Some(ValueRef::Array(array)) => return (Some(ValueRef::Array(array)), rest),
            Some(value) if rest.is_empty() => return (Some(value), rest),
            _ => return (None, &[]),
        }
        parts = rest;
    }
    (None, &[])
}

/// Makes one row for each element of the array that the fields meet, as index keys are made.
fn expand<'d, 'p>(
    mut trails: Vec<Trail<'d, 'p>>,
    doc: RawDoc<'d>,
    cx: &Cx<'_>,
    emit: &mut dyn FnMut(&[Trail<'d, 'p>]),
) -> Result<()> {
    cx.tick()?;
    let mut array: Option<RawArray<'d>> = None;
    let mut in_array = vec![false; trails.len()];
    let mut whole = false;
    for (trail, in_array) in trails.iter_mut().zip(&mut in_array) {
        if trail.rest.is_empty() {
            continue;
        }
        let found = trail.step(doc)?;
        whole |= found.nested;
        (trail.rest, trail.value) = (found.rest, found.value.unwrap_or(ValueRef::Null));
        let Some(ValueRef::Array(met)) = found.value else { continue };
        if array.is_some_and(|other| !std::ptr::eq(other.as_bytes(), met.as_bytes())) {
            return Err(parallel());
        }
        array = Some(met);
        *in_array = true;
    }
    let Some(array) = array else {
        emit(&trails);
        return Ok(());
    };
    for trail in &mut trails {
        trail.element = trail.positional(array);
    }
    // An empty array makes one row, in which it counts as undefined.
    let empty = array.is_empty().then_some(ValueRef::Undefined);
    let whole = whole && !array.is_empty();
    for element in array.iter().chain(empty) {
        let mut row = trails.clone();
        for (trail, _) in row.iter_mut().zip(&in_array).filter(|(trail, in_array)| **in_array && trail.rest.is_empty())
        {
            trail.value = if whole { ValueRef::Array(array) } else { element };
        }
        expand(row, element.as_doc().unwrap_or(RawDoc::empty()), cx, emit)?;
    }
    Ok(())
}

impl<'d, 'p> Trail<'d, 'p> {
    /// The next stop: in the document, or at the position of the array around it.
    fn step(&self, doc: RawDoc<'d>) -> Result<Found<'d, 'p>> {
        let named = self.rest.first().is_some_and(|part| doc.get(part.name()).is_some());
        match (named, self.element) {
            (true, Some(_)) => {
                let message = "a number in the sort order is both a position and a field name in an array";
                Err(Error::mongo(AMBIGUOUS_FIELD, message))
            }
            (false, Some(element)) => Ok(element),
            _ => {
                let (value, rest) = find(doc, self.rest);
                Ok(Found { value, rest, nested: false })
            }
        }
    }

    /// Where the path goes on with a position that the array has: what it leads to from there.
    fn positional(&self, array: RawArray<'d>) -> Option<Found<'d, 'p>> {
        let element = array.as_doc().get(self.rest.first()?.name())?;
        let (value, rest) = find(array.as_doc(), self.rest);
        Some(Found { value, rest, nested: matches!(element, ValueRef::Array(_)) })
    }
}

fn parallel() -> Error {
    Error::mongo(number::BAD_VALUE, "cannot sort by fields that lead to different arrays of one document")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::testing::Surroundings;
    use crate::notation::{doc, docs, text};

    /// The ids of the documents in the order of the sort.
    fn ids(sort: &str, given: &str) -> String {
        let surroundings = Surroundings::default();
        let sort = Sort::parse(doc(sort).raw()).expect("a sort order");
        let mut keyed: Vec<(Vec<u8>, String)> = docs(given)
            .iter()
            .map(|doc| {
                let mut key = Vec::new();
                sort.key(doc.raw(), &surroundings.cx(), &mut key).expect("a key");
                (key, text(doc.get("_id").expect("an id")))
            })
            .collect();
        keyed.sort_by(|a, b| a.0.cmp(&b.0));
        keyed.into_iter().map(|(_, id)| id).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn arrays_sort_by_their_least_or_greatest_element() {
        let given = "[{_id: 1, a: [3, 1]}, {_id: 2, a: 2}, {_id: 3, a: []}, {_id: 4}, {_id: 5, a: [[]]}, {_id: 6, a: [null, 7]}]";
        assert_eq!(ids("{a: 1, _id: 1}", given), "3 4 6 1 2 5");
        assert_eq!(ids("{a: -1, _id: 1}", given), "5 6 1 2 4 3");
        let given = "[{_id: 1, a: [{x: 1, y: 9}, {x: 2, y: 0}]}, {_id: 2, a: {x: 1, y: 5}}]";
        assert_eq!(ids("{a.x: 1, a.y: 1}", given), "2 1");
        assert_eq!(ids("{a.1.x: -1}", given), "1 2");
    }

    #[test]
    fn faults_carry_the_numbers_of_mongodb() {
        let cases = [
            ("{a: true}", 15974),
            ("{a: 2}", 15975),
            ("{a: {}}", 17312),
            ("{a: {$meta: 'x'}}", 31138),
            ("{'': 1}", 40352),
            ("{a.: 1}", 40353),
            ("{a..b: 1}", 15998),
            ("{a.$b: 1}", 16410),
            ("{$natural: 1, a: 1}", 2),
        ];
        for (sort, number) in cases {
            assert_eq!(Sort::parse(doc(sort).raw()).map(drop).map_err(|error| error.number), Err(number), "{sort}");
        }
    }

    #[test]
    fn two_arrays_cannot_be_sorted_by() {
        let surroundings = Surroundings::default();
        let sort = Sort::parse(doc("{a: 1, b: 1}").raw()).expect("a sort order");
        let parallel = sort.key(doc("{a: [1], b: [2]}").raw(), &surroundings.cx(), &mut Vec::new());
        assert_eq!(parallel.map_err(|error| error.number), Err(2));
    }
}
