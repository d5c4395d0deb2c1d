//! Which fields differ between two versions of a document, and what stands at a path.

use storage::{Part, RawDoc, Value, ValueRef};

/// Fields that differ, as a watcher applies them: by dotted path. Arrays are values of their own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldsChanged {
    /// Paths with their new values.
    pub updated: Vec<(String, Value)>,
    /// Paths that are gone.
    pub removed: Vec<String>,
}

impl FieldsChanged {
    /// What leads from one version to the other. A field name with a dot in it makes its whole parent differ, since a
    /// dotted path could not name it.
    pub fn between(before: RawDoc<'_>, after: RawDoc<'_>) -> FieldsChanged {
        let mut changed = FieldsChanged::default();
        changed.compare("", before, after);
        changed
    }

    fn compare(&mut self, prefix: &str, before: RawDoc<'_>, after: RawDoc<'_>) {
        for (name, value) in after.iter() {
            let path = format!("{prefix}{name}");
            match (before.get(name), value) {
                (Some(old), new) if old == new => {}
                (Some(ValueRef::Document(old)), ValueRef::Document(new)) if can_descend(old, new) => {
                    self.compare(&format!("{path}."), old, new);
                }
                _ => self.updated.push((path, value.to_value())),
            }
        }
        let gone = before.iter().filter(|(name, _)| after.get(name).is_none());
        self.removed.extend(gone.map(|(name, _)| format!("{prefix}{name}")));
    }
}

fn can_descend(before: RawDoc<'_>, after: RawDoc<'_>) -> bool {
    !after.is_empty() && before.iter().chain(after.iter()).all(|(name, _)| !name.contains('.') && !name.is_empty())
}

/// Every value that a condition on the path may speak of: arrays are entered, and stand for themselves too.
pub(super) fn values_at<'d>(value: ValueRef<'d>, parts: &[Part], found: &mut Vec<ValueRef<'d>>) {
    match (value, parts.split_first()) {
        (value, None) => {
            found.push(value);
            if let ValueRef::Array(array) = value {
                found.extend(array.iter());
            }
        }
        (ValueRef::Document(doc), Some((part, rest))) => {
            if let Some(inner) = doc.get(part.name()) {
                values_at(inner, rest, found);
            }
        }
        (ValueRef::Array(array), Some((part, rest))) => {
            if let Some(element) = part.index().and_then(|place| array.get(usize::try_from(place).ok()?)) {
                values_at(element, rest, found);
            }
            let inner = array.iter().filter(|element| matches!(element, ValueRef::Document(_)));
            inner.for_each(|element| values_at(element, parts, found));
        }
        _ => {}
    }
}
