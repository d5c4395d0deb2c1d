//! What differs between two documents, by path. Documents are compared field by field, arrays as wholes.

use storage::{RawDoc, ValueRef};

use super::ChangedPath;

/// The paths that changed from one document to another.
pub(super) fn paths(old: RawDoc<'_>, new: RawDoc<'_>) -> Vec<ChangedPath> {
    let mut changed = Vec::new();
    compare(old, new, "", &mut changed);
    changed
}

fn compare(old: RawDoc<'_>, new: RawDoc<'_>, way: &str, changed: &mut Vec<ChangedPath>) {
    let full = |name: &str| if way.is_empty() { name.to_owned() } else { format!("{way}.{name}") };
    for element in new.elements() {
        let before = old.element(element.name());
        let same = before
            .is_some_and(|before| before.kind() == element.kind() && before.value_bytes() == element.value_bytes());
        if same {
            continue;
        }
        match (before.map(|before| before.value()), element.value()) {
            (Some(ValueRef::Document(old)), ValueRef::Document(new)) => {
                compare(old, new, &full(element.name()), changed)
            }
            _ => changed.push(ChangedPath { path: full(element.name()), removed: false }),
        }
    }
    for element in old.elements().filter(|element| new.element(element.name()).is_none()) {
        changed.push(ChangedPath { path: full(element.name()), removed: true });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use storage::Doc;

    #[test]
    fn fields_are_compared_and_arrays_are_not_opened() {
        let doc = |json: bson::Document| Doc::from_bytes(json.to_vec().expect("BSON")).expect("valid");
        let old = doc(bson::doc! {"a": 1, "b": {"c": 1, "d": 2}, "e": [1, 2], "f": 0});
        let new = doc(bson::doc! {"a": 1, "b": {"c": 1, "d": 3}, "e": [1, 3], "g": 0});
        let shown: Vec<_> = paths(old.raw(), new.raw()).into_iter().map(|path| (path.path, path.removed)).collect();
        let expect = [("b.d", false), ("e", false), ("g", false), ("f", true)];
        assert_eq!(shown, expect.map(|(path, removed)| (path.to_owned(), removed)));
    }
}
