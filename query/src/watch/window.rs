//! The window of a watched query with a limit: what it held, and how that differs from what it holds.

use std::collections::{HashMap, HashSet};

use storage::{Change, Rid, Value};

use super::{Did, Queue, WatchEvent, did};
use crate::exec::Row;

/// The documents of a window, by place and `_id`.
pub(super) struct Window(Vec<(Rid, Value)>);

impl Window {
    pub fn of(rows: &[Row]) -> Window {
        let id = |row: &Row| row.doc.get("_id").map_or(Value::Null, storage::ValueRef::to_value);
        Window(rows.iter().map(|row| (row.rid, id(row))).collect())
    }

    pub fn holds(&self, rid: Rid) -> bool {
        self.0.iter().any(|(held, _)| *held == rid)
    }

    /// What leads from this window to the one with these rows: first who goes, then who stays changed or comes.
    pub fn difference(&self, rows: &[Row], changes: &[&Change]) -> Vec<WatchEvent> {
        let merged = merged(changes);
        let now: HashSet<Rid> = rows.iter().map(|row| row.rid).collect();
        let gone = self.0.iter().filter(|(rid, _)| !now.contains(rid));
        let gone = gone.map(|(rid, id)| {
            let (did, before) = match merged.get(rid) {
                None => (Did::Limit, None),
                Some(change) => (did(change), change.before.as_ref()),
            };
            WatchEvent { id: id.clone(), ..WatchEvent::new(did, Queue::Dequeue, before, None) }
        });
        let here = rows.iter().filter_map(|row| {
            let change = merged.get(&row.rid);
            match (self.holds(row.rid), change) {
                (true, None) => None,
                (true, Some(change)) => {
                    Some(WatchEvent::new(did(change), Queue::Update, change.before.as_ref(), Some(&row.doc)))
                }
                (false, change) => {
                    let did = change.map_or(Did::Limit, did);
                    Some(WatchEvent::new(did, Queue::Enqueue, None, Some(&row.doc)))
                }
            }
        });
        gone.chain(here).collect()
    }
}

/// All changes of a document as one: from before the first to after the last.
fn merged(changes: &[&Change]) -> HashMap<Rid, Change> {
    let mut merged: HashMap<Rid, Change> = HashMap::new();
    for change in changes {
        merged
            .entry(change.rid)
            .and_modify(|first| {
                first.after.clone_from(&change.after);
                first.replaced |= change.replaced;
            })
            .or_insert_with(|| (*change).clone());
    }
    merged
}
