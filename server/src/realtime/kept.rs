//! Small records that watches leave in the store so that they go on after a restart: questions that are too long for the
//! name of a watch, and from where those count that had to begin anew.
//!
//! A record is forgotten when no watch has used it for longer than the change log reaches back. What a record says is
//! opaque here.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use parking_lot::Mutex;
use query::{EnvId, Result};

use crate::app::App;

/// How long a record is kept that nobody uses, in milliseconds.
const KEPT_MS: i64 = 30 * 60 * 1000;
/// Bytes that the records of one kind in one environment may take.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// Where a record is.
pub type Place = (EnvId, Vec<u8>);

/// Records of one kind.
pub struct Kept {
    kind: u8,
    known: Mutex<Option<HashMap<Place, Known>>>,
}

struct Known {
    bytes: usize,
    /// Since when nobody uses it, in milliseconds since 1970.
    unused_ms: Option<i64>,
}

impl Kept {
    /// The records of a kind.
    pub const fn new(kind: u8) -> Kept {
        Kept { kind, known: Mutex::new(None) }
    }

    /// Is there a record of this name? Then it stays from now on.
    ///
    /// # Errors
    /// What the store meets.
    pub fn renew(&self, app: &App, place: &Place) -> Result<bool> {
        let mut known = self.known.lock();
        let kept = self.loaded(&mut known, app)?.get_mut(place);
        Ok(kept.is_some_and(|kept| {
            kept.unused_ms = None;
            true
        }))
    }

    /// Keeps a record, on disk when this returns. False where the environment keeps too much already.
    ///
    /// # Errors
    /// What the store meets.
    pub fn keep(&self, app: &App, place: Place, record: &[u8]) -> Result<bool> {
        let ticket = {
            let mut known = self.known.lock();
            let known = self.loaded(&mut known, app)?;
            let others = known.iter().filter(|(other, _)| other.0 == place.0 && **other != place);
            if others.map(|(_, known)| known.bytes).sum::<usize>() + record.len() > KEPT_BYTES_MAX {
                return Ok(false);
            }
            let ticket = app.db.store().put_record(self.kind, place.0, &place.1, record)?;
            known.insert(place, Known { bytes: record.len(), unused_ms: None });
            ticket
        };
        ticket.wait()?;
        Ok(true)
    }

    /// A record.
    ///
    /// # Errors
    /// What the store meets.
    pub fn find(&self, app: &App, (env, name): &Place) -> Result<Option<Bytes>> {
        Ok(app.db.store().view().record(self.kind, *env, name)?)
    }

    /// Forgets what nobody has used for long; `used` is what is used now.
    ///
    /// # Errors
    /// What the store meets.
    pub fn forget_unused(&self, app: &App, used: &HashSet<Place>) -> Result<()> {
        let now = app.now_ms();
        let mut known = self.known.lock();
        let known = self.loaded(&mut known, app)?;
        let mut over = Vec::new();
        for (place, kept) in known.iter_mut() {
            match used.contains(place) {
                true => kept.unused_ms = None,
                false if now - *kept.unused_ms.get_or_insert(now) > KEPT_MS => over.push(place.clone()),
                false => {}
            }
        }
        for place in over {
            // Nobody waits for it: what is left over after a crash is forgotten later.
            drop(app.db.store().delete_record(self.kind, place.0, &place.1)?);
            known.remove(&place);
        }
        Ok(())
    }

    /// Those of the last server count as unused from the first look on.
    fn loaded<'k>(
        &self,
        known: &'k mut Option<HashMap<Place, Known>>,
        app: &App,
    ) -> Result<&'k mut HashMap<Place, Known>> {
        if known.is_none() {
            let mut found = HashMap::new();
            let view = app.db.store().view();
            for env in view.catalog().envs() {
                for (name, record) in view.records(self.kind, env.id)? {
                    found.insert((env.id, name), Known { bytes: record.len(), unused_ms: None });
                }
            }
            *known = Some(found);
        }
        Ok(known.get_or_insert_default())
    }
}
