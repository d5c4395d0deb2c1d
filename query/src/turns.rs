//! Turns at documents that transactions fight over.
//!
//! The first committer wins, which is cheap while conflicts are rare and hopeless where everybody wants one document:
//! SDKs try a transaction four times. So a document over which a transaction lost stays *hot* for a while, and
//! transactions that come to it by its id go one after the other: each waits until the one before has ended, and then
//! looks at the newest moment. Who would wait in a circle goes on without a turn, and from then on the documents of the
//! circle share one. Turns are a courtesy, not a lock: who waits too long goes on as well, and commits decide as ever.
//! Nothing here knows documents or a clock.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use storage::EnvId;

use crate::session::TransactionId;

/// How long a document stays hot after the last conflict over it, in milliseconds.
const HOT_MS: i64 = 10_000;
/// How long one transaction may keep the others waiting, in milliseconds.
const HOLD_MS: i64 = 1000;
/// Most hot documents; beyond, new ones stay cold.
const HOT_MAX: usize = 10_000;

/// A document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Spot {
    pub env: EnvId,
    pub collection: String,
    /// Its `_id`, as text.
    pub id: String,
}

/// The hot documents.
#[derive(Default)]
pub(crate) struct Turns(Mutex<State>);

#[derive(Default)]
struct State {
    hot: HashMap<Spot, Hot>,
    /// Where each waiting transaction waits.
    waits: HashMap<TransactionId, Spot>,
    /// Documents that share the turn of another one, and until when.
    shared: HashMap<Spot, (Spot, i64)>,
}

#[derive(Default)]
struct Hot {
    until: i64,
    /// Whose turn it is, and since when.
    holder: Option<(TransactionId, i64)>,
    queue: VecDeque<(TransactionId, Option<Waker>)>,
}

/// A turn that was asked for. Await it; dropping it gives it up unless it has come.
pub struct Turn {
    turns: Arc<Turns>,
    spot: Spot,
    who: TransactionId,
}

impl Turns {
    /// A transaction lost over this document.
    pub fn heat(&self, spot: Spot, now: i64) {
        let mut state = self.0.lock();
        if state.hot.len() >= HOT_MAX {
            state.hot.retain(|_, hot| now < hot.until || hot.holder.is_some());
            state.shared.retain(|_, (_, until)| now < *until);
        }
        if state.hot.len() < HOT_MAX {
            let spot = state.leader(&spot, now);
            state.hot.entry(spot).or_default().until = now + HOT_MS;
        }
    }

    /// Asks for a turn; `None` where none is needed or waiting would lead in a circle.
    pub fn ask(self: &Arc<Turns>, spot: &Spot, who: TransactionId, now: i64) -> Option<Turn> {
        let mut state = self.0.lock();
        let spot = &state.leader(spot, now);
        if state.leads_to(spot, who) {
            state.share(spot, who, now);
            return None;
        }
        let hot = state.hot.get_mut(spot)?;
        match hot.holder {
            None if hot.until <= now => {
                state.hot.remove(spot);
                return None;
            }
            Some((_, since)) if now - since <= HOLD_MS => {
                hot.queue.push_back((who, None));
                state.waits.insert(who, spot.clone());
            }
            _ => hot.holder = Some((who, now)),
        }
        Some(Turn { turns: self.clone(), spot: spot.clone(), who })
    }

    /// A transaction ended: whoever waited for it goes on.
    pub fn end(&self, who: TransactionId, now: i64) {
        let mut state = self.0.lock();
        let held = state.hot.iter().filter(|(_, hot)| hot.holder.is_some_and(|(holder, _)| holder == who));
        let held: Vec<Spot> = held.map(|(spot, _)| spot.clone()).collect();
        held.iter().for_each(|spot| state.pass_on(spot, now));
    }
}

impl State {
    /// Does whoever holds the document wait, over however many others, for this transaction?
    fn leads_to(&self, spot: &Spot, who: TransactionId) -> bool {
        let mut spot = spot;
        for _ in 0..64 {
            let Some((holder, _)) = self.hot.get(spot).and_then(|hot| hot.holder) else { return false };
            if holder == who {
                return true;
            }
            let Some(next) = self.waits.get(&holder) else { return false };
            spot = next;
        }
        true
    }

    /// The document whose turn this one shares, or itself.
    fn leader(&self, spot: &Spot, now: i64) -> Spot {
        let mut spot = spot;
        for _ in 0..16 {
            match self.shared.get(spot) {
                Some((leader, until)) if now < *until => spot = leader,
                _ => break,
            }
        }
        spot.clone()
    }

    /// From now on this document shares the turn of one that the transaction has.
    fn share(&mut self, spot: &Spot, who: TransactionId, now: i64) {
        let held = self.hot.iter().find(|(_, hot)| hot.holder.is_some_and(|(holder, _)| holder == who));
        let Some(leader) = held.map(|(leader, _)| leader.clone()) else { return };
        if leader != *spot && self.shared.len() < HOT_MAX {
            self.shared.insert(spot.clone(), (leader, now + HOT_MS));
        }
    }

    fn pass_on(&mut self, spot: &Spot, now: i64) {
        let Some(hot) = self.hot.get_mut(spot) else { return };
        hot.holder = None;
        if let Some((next, waker)) = hot.queue.pop_front() {
            hot.holder = Some((next, now));
            hot.until = hot.until.max(now + HOT_MS);
            self.waits.remove(&next);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl Turn {
    /// Looks whether whoever goes before has kept the others waiting for too long; call it now and then.
    pub fn hurry(&self, now: i64) {
        let mut state = self.turns.0.lock();
        let holder = state.hot.get(&self.spot).and_then(|hot| hot.holder);
        if holder.is_some_and(|(_, since)| now - since > HOLD_MS) {
            state.pass_on(&self.spot, now);
        }
    }
}

impl Future for Turn {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.turns.0.lock();
        let queue = state.hot.get_mut(&self.spot).map(|hot| &mut hot.queue);
        let mine = queue.and_then(|queue| queue.iter_mut().find(|(who, _)| *who == self.who));
        match mine {
            Some((_, waker)) => {
                *waker = Some(context.waker().clone());
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.turns.0.lock();
        if let Some(hot) = state.hot.get_mut(&self.spot) {
            hot.queue.retain(|(who, _)| *who != self.who);
        }
        if state.waits.get(&self.who) == Some(&self.spot) {
            state.waits.remove(&self.who);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: TransactionId = TransactionId(1);
    const B: TransactionId = TransactionId(2);
    const C: TransactionId = TransactionId(3);

    fn spot(id: &str) -> Spot {
        Spot { env: EnvId(1), collection: "c".into(), id: id.into() }
    }

    fn has_come(turn: &mut Turn) -> bool {
        Pin::new(turn).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn transactions_go_one_after_the_other() {
        let turns = Arc::new(Turns::default());
        assert!(turns.ask(&spot("x"), A, 0).is_none(), "cold documents need no turn");
        turns.heat(spot("x"), 0);
        let mut first = turns.ask(&spot("x"), A, 1).expect("a turn");
        assert!(has_come(&mut first));
        assert!(turns.ask(&spot("x"), A, 1).is_none(), "it is mine already");
        let mut second = turns.ask(&spot("x"), B, 2).expect("a turn");
        let mut third = turns.ask(&spot("x"), C, 3).expect("a turn");
        assert!(!has_come(&mut second) && !has_come(&mut third));
        drop(first); // having come, it stays until the transaction ends
        assert!(!has_come(&mut second));
        turns.end(A, 4);
        assert!(has_come(&mut second) && !has_come(&mut third));
        third.hurry(4 + HOLD_MS);
        assert!(!has_come(&mut third));
        third.hurry(5 + HOLD_MS);
        assert!(has_come(&mut third), "nobody may keep others waiting for long");
        turns.end(C, 5 + HOLD_MS);
        assert!(turns.ask(&spot("x"), A, HOT_MS * 3).is_none(), "it has cooled down");
    }

    #[test]
    fn nobody_waits_in_a_circle() {
        let turns = Arc::new(Turns::default());
        ["x", "y", "z"].into_iter().for_each(|id| turns.heat(spot(id), 0));
        let held: Vec<Turn> = [("x", A), ("y", B), ("z", C)]
            .into_iter()
            .map(|(id, who)| turns.ask(&spot(id), who, 0).expect("a turn"))
            .collect();
        let waits = (turns.ask(&spot("y"), A, 0), turns.ask(&spot("z"), B, 0));
        assert!(waits.0.is_some() && waits.1.is_some());
        assert!(turns.ask(&spot("x"), C, 0).is_none());
        let mut given_up = waits.1.expect("a turn");
        assert!(!has_come(&mut given_up));
        drop((held, given_up));
        [A, B, C].into_iter().for_each(|who| turns.end(who, 1));
        // From now on two of them share a turn.
        let mut first = turns.ask(&spot("x"), A, 2).expect("a turn");
        let mut second = turns.ask(&spot("z"), B, 2).expect("a turn");
        assert!(has_come(&mut first) && !has_come(&mut second));
        assert!(turns.ask(&spot("z"), A, 2).is_none(), "it has it already");
    }
}
