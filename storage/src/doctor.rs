//! Does the store hold what it should? Checksums of documents, index entries against documents, counts.
//!
//! Reads one view from end to end with bounded memory: every document is looked up in every index, and every index is
//! counted. Damage that the engine itself notices (block checksums) ends the check of that part and is reported too.

use crate::catalog::{Collection, Index, IndexState};
use crate::engine::{Cursor, Scan, Snap};
use crate::error::Result;
use crate::index;
use crate::key::{self, KeyRange, Rid, Space};
use crate::store::View;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Environment, collection and index, joined by `/`.
    pub place: String,
    /// What is wrong.
    pub fault: String,
}

/// What was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Collections looked at.
    pub collections: u64,
    /// Documents whose checksum and entries were looked at.
    pub docs: u64,
    /// Index entries counted.
    pub entries: u64,
    /// What is wrong, at most [`FINDINGS_MAX`] of it.
    pub findings: Vec<Finding>,
}

/// Findings beyond this number are counted, not listed.
pub const FINDINGS_MAX: usize = 1000;

/// Checks everything in a view. `progress` is called now and then with what was looked at so far.
pub fn check(view: &View, progress: &mut dyn FnMut(&Checked)) -> Checked {
    let mut checked = Checked::default();
    for env in view.catalog().envs() {
        for coll in env.collections() {
            let place = format!("{}/{}", env.name, coll.name);
            let mut check = CollectionCheck { view, coll, place, checked: &mut checked, progress };
            if let Err(error) = check.run() {
                let place = check.place.clone();
                check.checked.find(&place, error.to_string());
            }
            checked.collections += 1;
            progress(&checked);
        }
    }
    checked
}

struct CollectionCheck<'c> {
    view: &'c View,
    coll: &'c Collection,
    place: String,
    checked: &'c mut Checked,
    progress: &'c mut dyn FnMut(&Checked),
}

impl CollectionCheck<'_> {
    fn run(&mut self) -> Result<()> {
        self.report_failed_indexes();
        let indexes: Vec<&Index> = self.coll.ready_indexes().map(AsRef::as_ref).collect();
        let mut expected = vec![0u64; indexes.len()];
        let mut docs = self.view.scan(self.coll, None, Scan::Forward);
        let (mut count, mut bytes) = (0, 0);
        while let Some((rid, doc)) = docs.next_doc()? {
            count += 1;
            bytes += doc.as_bytes().len() as u64;
            for (index, expected) in indexes.iter().zip(&mut expected) {
                match index::entries(self.coll.env, index, doc, rid) {
                    Ok(set) => {
                        *expected += set.entries.len() as u64;
                        self.look_up(index, rid, &set.entries)?;
                    }
                    Err(error) => self.find(&index.name, format!("document {} cannot be indexed: {error}", rid.0)),
                }
            }
            self.checked.docs += 1;
            if count % 10_000 == 0 {
                (self.progress)(self.checked);
            }
        }
        for (index, expected) in indexes.iter().zip(expected) {
            self.count_entries(index, expected)?;
        }
        self.compare_counts(count, bytes);
        Ok(())
    }

    /// An index that could not be built serves nobody and misses entries: said once, not per document.
    fn report_failed_indexes(&mut self) {
        let coll = self.coll;
        for index in coll.indexes.iter().filter(|index| matches!(index.state, IndexState::Failed { .. })) {
            self.find(&index.name, "the index could not be built; drop it".to_owned());
        }
    }

    fn look_up(&mut self, index: &Index, rid: Rid, entries: &[index::Entry]) -> Result<()> {
        for entry in entries {
            let stored = self.view.moment.snap.get(Space::Index, &entry.key)?;
            if stored.as_deref() != Some(entry.value.as_slice()) {
                let what = if stored.is_none() { "no entry" } else { "a foreign entry" };
                self.find(&index.name, format!("document {} has {what}", rid.0));
            }
        }
        Ok(())
    }

    fn count_entries(&mut self, index: &Index, expected: u64) -> Result<()> {
        let range = KeyRange::prefix(&key::entries(self.coll.env, index.id));
        let mut cursor = self.view.moment.snap.scan(Space::Index, &range, Scan::Forward);
        let mut count = 0;
        while cursor.next()?.is_some() {
            count += 1;
        }
        self.checked.entries += count;
        if count != expected {
            self.find(&index.name, format!("{count} entries, but the documents make {expected}"));
        }
        Ok(())
    }

    /// Counts belong to the last commit, not to the view; they can be compared only while nothing was written since.
    fn compare_counts(&mut self, docs: u64, bytes: u64) {
        let kept = (self.coll.stats.docs(), self.coll.stats.bytes());
        let unchanged = self.view.store.pipeline.published().seq == self.view.seq();
        if unchanged && kept != (docs, bytes) {
            self.find("counts", format!("kept {kept:?}, found ({docs}, {bytes})"));
        }
    }

    fn find(&mut self, part: &str, fault: String) {
        let place = format!("{}/{part}", self.place);
        self.checked.find(&place, fault);
    }
}

impl Checked {
    fn find(&mut self, place: &str, fault: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { place: place.to_owned(), fault });
        }
    }
}
