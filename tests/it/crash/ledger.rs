//! What was asked of the server and what it promised, document by document; and what may therefore be found after a crash.
//!
//! Each document belongs to one client, which has one request in flight: the states of a document are a sequence. After a
//! crash at a moment, the last state that was acknowledged before it must be there, or the one state that was under way.
//! A lost write is an older state, a phantom a state that had not been sent yet, half a transaction two documents that
//! disagree about it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// The value of a document: its version, or nothing where it does not exist.
pub type State = Option<i64>;

/// One step of a document's history.
#[derive(Clone, Debug)]
pub struct Step {
    pub state: State,
    /// The moment before it was sent.
    pub sent: u64,
    /// The moment after it was acknowledged; `None`: it never was, and nothing is known.
    pub acknowledged: Option<u64>,
    /// Steps of one transaction carry its number.
    pub transaction: Option<u64>,
}

/// Histories by document id.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    documents: BTreeMap<String, Vec<Step>>,
    settled: BTreeMap<String, State>,
    acknowledged: u64,
}

impl Ledger {
    /// A ledger that goes on from what this one knows for certain.
    pub fn continued(&self) -> Ledger {
        Ledger { documents: BTreeMap::new(), settled: self.settled.clone(), acknowledged: 0 }
    }

    /// The documents that exist for certain, with their versions.
    pub fn existing(&self) -> impl Iterator<Item = (&String, i64)> {
        self.settled.iter().filter_map(|(id, state)| Some((id, (*state)?)))
    }

    /// A number for a transaction. Ledgers of clients at work at the same time are joined later, so they share no number.
    pub fn new_transaction(&mut self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes a step before it is sent.
    pub fn send(&mut self, id: &str, state: State, moment: u64, transaction: Option<u64>) {
        self.documents.entry(id.to_owned()).or_default().push(Step {
            state,
            sent: moment,
            acknowledged: None,
            transaction,
        });
    }

    /// Notes that the last step of a document was acknowledged.
    pub fn acknowledge(&mut self, id: &str, moment: u64) {
        if let Some(step) = self.documents.get_mut(id).and_then(|steps| steps.last_mut()) {
            step.acknowledged = Some(moment);
            self.acknowledged += 1;
        }
    }

    /// Notes that the last step of a document certainly did not happen.
    pub fn withdraw(&mut self, id: &str) {
        if let Some(steps) = self.documents.get_mut(id) {
            steps.pop();
        }
    }

    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Joins the ledgers of clients that own different documents. `self` brings what was settled before.
    pub fn merge(&mut self, other: Ledger) {
        self.documents.extend(other.documents);
        self.acknowledged += other.acknowledged;
    }

    /// Compares what was found after a crash at a moment. What is found becomes the certain state.
    pub fn check(&mut self, found: &BTreeMap<String, i64>, moment: u64) -> Result<(), String> {
        let mut faults = Vec::new();
        let mut transactions: BTreeMap<u64, Vec<(String, bool)>> = BTreeMap::new();
        for (id, steps) in &self.documents {
            let before = self.settled.get(id).copied().flatten();
            let state = found.get(id).copied();
            match judge(before, steps, state, moment) {
                Ok(None) => {}
                Ok(Some((transaction, done))) => transactions.entry(transaction).or_default().push((id.clone(), done)),
                Err(fault) => faults.push(format!("{id}: {fault}")),
            }
        }
        for (id, state) in &self.settled {
            if !self.documents.contains_key(id) && found.get(id).copied() != *state {
                faults.push(format!("{id}: untouched, was {state:?}, found {:?}", found.get(id)));
            }
        }
        faults.extend(
            found
                .keys()
                .filter(|id| !self.documents.contains_key(*id) && !self.settled.contains_key(*id))
                .map(|id| format!("{id}: never written")),
        );
        for (number, parts) in transactions {
            if parts.iter().any(|(_, done)| *done) && parts.iter().any(|(_, done)| !*done) {
                faults.push(format!("transaction {number}: half of it is there: {parts:?}"));
            }
        }
        if !faults.is_empty() {
            return Err(format!(
                "{} faults, the first of them:\n{}",
                faults.len(),
                faults[..faults.len().min(10)].join("\n")
            ));
        }
        for id in self.documents.keys() {
            self.settled.insert(id.clone(), found.get(id).copied());
        }
        Ok(())
    }

    /// Forgets the histories: what was found last is what is known.
    pub fn settle(&mut self) {
        self.documents.clear();
    }
}

/// Is a found state possible? If a transaction was under way, also: its number, and whether its effect is there.
fn judge(before: State, steps: &[Step], found: State, moment: u64) -> Result<Option<(u64, bool)>, String> {
    let last = steps.iter().rposition(|step| step.acknowledged.is_some_and(|at| at <= moment));
    let certain = last.map_or(before, |at| steps[at].state);
    let open = steps.get(last.map_or(0, |at| at + 1)).filter(|step| step.sent <= moment);
    let open_transaction = open.and_then(|step| step.transaction);
    if let Some(step) = open
        && found == step.state
    {
        return Ok(open_transaction.map(|number| (number, true)));
    }
    if found == certain {
        return Ok(open_transaction.map(|number| (number, false)));
    }
    let tail: Vec<&Step> = steps.iter().skip(last.unwrap_or(0)).take(3).collect();
    Err(format!(
        "must be {certain:?}{}, found {found:?}; its history from there: {tail:?}",
        match open {
            Some(step) => format!(" or {:?}", step.state),
            None => String::new(),
        }
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.send("a", Some(1), 10, None);
        ledger.acknowledge("a", 20);
        ledger.send("a", Some(2), 30, None);
        ledger.acknowledge("a", 40);
        ledger.send("b", Some(7), 50, Some(1));
        ledger.send("c", Some(7), 50, Some(1));
        ledger
    }

    fn judged(found: &[(&str, i64)], moment: u64) -> bool {
        let found = found.iter().map(|(id, version)| ((*id).to_owned(), *version)).collect();
        ledger().check(&found, moment).is_ok()
    }

    #[test]
    fn an_acknowledged_state_must_be_there() {
        assert!(judged(&[("a", 2)], 45));
        assert!(!judged(&[("a", 1)], 45), "lost");
        assert!(!judged(&[], 45), "lost");
        assert!(judged(&[("a", 1)], 25));
        assert!(judged(&[("a", 1)], 35) && judged(&[("a", 2)], 35), "under way: both are possible");
    }

    #[test]
    fn nothing_may_be_there_that_was_not_sent() {
        assert!(!judged(&[("a", 2)], 25), "from the future");
        assert!(!judged(&[("a", 2), ("z", 1)], 45), "from nowhere");
    }

    #[test]
    fn a_transaction_is_there_or_not() {
        assert!(judged(&[("a", 2), ("b", 7), ("c", 7)], 60));
        assert!(judged(&[("a", 2)], 60));
        assert!(!judged(&[("a", 2), ("b", 7)], 60), "half of it");
    }
}
