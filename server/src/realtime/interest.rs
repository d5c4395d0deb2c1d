//! Who could care about a change: watches by collection, and within it by the values that they ask for, so that a
//! change meets only those.

use std::collections::HashMap;

use query::watch::{Watch, values_at};
use storage::{Change, CollId, Direction, EnvId, Path, ValueRef, key};

/// Watches by what they ask.
#[derive(Default)]
pub struct Interest {
    places: HashMap<(EnvId, CollId), Place>,
}

#[derive(Default)]
struct Place {
    /// Watches that any change may concern.
    any: Vec<u64>,
    /// Watches that ask for certain values of a field, by the field and the encoded value.
    fields: Vec<(Path, ByValue)>,
}

/// Watches by the encoded value that they ask for.
type ByValue = HashMap<Vec<u8>, Vec<u64>>;

impl Interest {
    /// Adds a watch under a number.
    pub fn add(&mut self, number: u64, watch: &Watch) {
        let place = self.places.entry(watch.place()).or_default();
        let Some((path, values)) = watch.only() else { return place.any.push(number) };
        let at = place.fields.iter().position(|(known, _)| known == path).unwrap_or_else(|| {
            place.fields.push((path.clone(), HashMap::new()));
            place.fields.len() - 1
        });
        let Some((_, by_value)) = place.fields.get_mut(at) else { return };
        for value in values {
            let watches = by_value.entry(encoded(value.as_ref())).or_default();
            if !watches.contains(&number) {
                watches.push(number);
            }
        }
    }

    /// Removes a watch.
    pub fn remove(&mut self, number: u64, watch: &Watch) {
        let Some(place) = self.places.get_mut(&watch.place()) else { return };
        match watch.only() {
            None => place.any.retain(|known| *known != number),
            Some((path, values)) => {
                for (_, by_value) in place.fields.iter_mut().filter(|(known, _)| known == path) {
                    values.iter().for_each(|value| forget(by_value, &encoded(value.as_ref()), number));
                }
                place.fields.retain(|(_, by_value)| !by_value.is_empty());
            }
        }
        if place.any.is_empty() && place.fields.is_empty() {
            self.places.remove(&watch.place());
        }
    }

    /// Does anybody watch the collection of this change?
    pub fn is_watched(&self, change: &Change) -> bool {
        self.places.contains_key(&(change.env, change.coll))
    }

    /// Those that a change may concern; some may be named more than once.
    pub fn concerned(&self, change: &Change, mut each: impl FnMut(u64)) {
        let Some(place) = self.places.get(&(change.env, change.coll)) else { return };
        place.any.iter().for_each(|number| each(*number));
        let mut values = Vec::new();
        let mut bytes = Vec::new();
        for (path, by_value) in &place.fields {
            values.clear();
            for doc in [&change.before, &change.after].into_iter().flatten() {
                values_at(doc.raw(), path, &mut values);
            }
            for value in &values {
                bytes.clear();
                key::encode(*value, Direction::Ascending, None, &mut bytes);
                by_value.get(&bytes).into_iter().flatten().for_each(|number| each(*number));
            }
        }
    }
}

fn forget(by_value: &mut ByValue, value: &[u8], number: u64) {
    if let Some(watches) = by_value.get_mut(value) {
        watches.retain(|known| *known != number);
        if watches.is_empty() {
            by_value.remove(value);
        }
    }
}

fn encoded(value: ValueRef<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    key::encode(value, Direction::Ascending, None, &mut bytes);
    bytes
}
