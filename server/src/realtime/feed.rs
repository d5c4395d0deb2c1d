//! A feed: the events of one watch, numbered, on their way to one socket. It is the outgoing queue and the memory for
//! reconnections at once: a ring of rendered texts that the socket reads with a cursor.
//!
//! What a reader has not fetched yet is never dropped silently: when the ring is full of it the feed is over, and says
//! so. Texts are shared between the feeds of all who watch the same change. This module renders and parses nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use query::{Code, Error};
use storage::Seq;
use tokio::sync::Notify;

/// Most bytes that the events of one watch may take while they wait to be fetched or repeated. One event that is
/// larger is kept alone.
pub const RING_BYTES_MAX: usize = 1 << 20;
/// How long fetched events are kept to be repeated after a lost connection, in milliseconds.
pub const RING_KEEP_MS: i64 = 10 * 60 * 1000;
/// The number of the first documents of a watch. Events are numbered from the next on.
pub const INIT_ID: u64 = 1;
/// What an entry costs beside its texts.
const ENTRY_BYTES: usize = 96;

/// A rendered event. Its bytes are counted as long as anybody holds it.
#[derive(Debug)]
pub struct Text {
    text: Box<str>,
    total: Arc<AtomicU64>,
}

impl Text {
    /// Takes a text and counts it.
    pub fn new(text: String, total: &Arc<AtomicU64>) -> Arc<Text> {
        total.fetch_add(text.len() as u64, Ordering::Relaxed);
        Arc::new(Text { text: text.into(), total: total.clone() })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        self.total.fetch_sub(self.text.len() as u64, Ordering::Relaxed);
    }
}

/// Events that share a number: what one commit did.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The number.
    pub id: u64,
    /// The last commit that it covers.
    pub seq: Seq,
    /// The events in order.
    pub events: Vec<Arc<Text>>,
    at_ms: i64,
    bytes: usize,
}

/// Where a socket hears that something waits for it.
#[derive(Debug, Default)]
pub struct Mailbox {
    ready: Mutex<Vec<u32>>,
    news: Notify,
}

impl Mailbox {
    /// Notes that something waits for a watch.
    pub fn put(&self, watch: u32) {
        self.ready.lock().push(watch);
        self.news.notify_one();
    }

    /// Waits until something waits.
    pub async fn wait(&self) {
        self.news.notified().await;
    }

    /// The watches for which something waits.
    pub fn take(&self) -> Vec<u32> {
        let mut watches = std::mem::take(&mut *self.ready.lock());
        watches.sort_unstable();
        watches.dedup();
        watches
    }
}

/// The socket that reads a feed.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Where it hears of news.
    pub mailbox: Arc<Mailbox>,
    /// What it calls the watch.
    pub watch: u32,
}

/// The events of one watch.
#[derive(Debug)]
pub struct Feed {
    /// The hub's number of the watch.
    pub number: u64,
    /// The name under which an SDK asks for it again.
    pub query_id: String,
    ring: Mutex<Ring>,
}

#[derive(Debug)]
struct Ring {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// The number of the last event, and the commit up to which nothing came after it.
    last: (u64, Seq),
    /// The number of the last event that is not in the ring any more, with its commit.
    dropped: (u64, Seq),
    /// The number of the last event that the socket fetched.
    fetched: u64,
    listener: Option<Listener>,
    over: Option<Error>,
}

/// What a socket finds in a feed.
#[derive(Debug)]
pub enum Fetched {
    /// Events after its cursor; none where there are none.
    Events(Vec<Entry>),
    /// The feed is over.
    Over(Error),
    /// Another socket reads it now.
    Moved,
}

impl Feed {
    /// A feed whose last event had this number.
    pub fn new(number: u64, query_id: String, last: u64, seq: Seq) -> Feed {
        let ring = Ring {
            entries: VecDeque::new(),
            bytes: 0,
            last: (last, seq),
            dropped: (last, seq),
            fetched: last,
            listener: None,
            over: None,
        };
        Feed { number, query_id, ring: Mutex::new(ring) }
    }

    /// Adds what one commit did. Answers whether anybody can still read the feed.
    pub fn push(&self, seq: Seq, events: Vec<Arc<Text>>, now_ms: i64) -> bool {
        let mut ring = self.ring.lock();
        let id = ring.last.0 + 1;
        let bytes = ENTRY_BYTES + events.iter().map(|event| event.as_str().len() + 16).sum::<usize>();
        ring.last = (id, seq);
        ring.bytes += bytes;
        ring.entries.push_back(Entry { id, seq, events, at_ms: now_ms, bytes });
        ring.trim(RING_BYTES_MAX);
        ring.tell();
        ring.over.is_none()
    }

    /// Notes that nothing happened up to a commit.
    pub fn pass(&self, seq: Seq) {
        let mut ring = self.ring.lock();
        ring.last.1 = ring.last.1.max(seq);
    }

    /// Forgets events that were fetched long ago.
    pub fn forget_before(&self, then_ms: i64) {
        let mut ring = self.ring.lock();
        while ring.entries.front().is_some_and(|entry| entry.at_ms < then_ms && entry.id <= ring.fetched) {
            ring.drop_first();
        }
    }

    /// Keeps no more than so many bytes, at the cost of a reader who has not fetched them. Answers whether anybody can
    /// still read the feed.
    pub fn shrink(&self, bytes_max: usize) -> bool {
        let mut ring = self.ring.lock();
        ring.trim(bytes_max);
        ring.tell();
        ring.over.is_none()
    }

    /// Ends the feed: its reader is told why.
    pub fn end(&self, error: Error) {
        let mut ring = self.ring.lock();
        ring.over.get_or_insert(error);
        ring.tell();
    }

    /// A socket begins to read after this number; who read before is told. False where the ring does not hold what
    /// follows it.
    pub fn attach(&self, after: u64, listener: Listener) -> bool {
        let mut ring = self.ring.lock();
        if ring.over.is_some() || after < ring.dropped.0 || ring.last.0 < after {
            return false;
        }
        ring.tell();
        ring.fetched = after;
        ring.listener = Some(listener);
        true
    }

    /// The socket goes away; nothing happens where another one reads already.
    pub fn detach(&self, mailbox: &Arc<Mailbox>) {
        let mut ring = self.ring.lock();
        if ring.is_read_by(mailbox) {
            ring.listener = None;
        }
    }

    /// Does a socket read it?
    pub fn is_attached(&self) -> bool {
        self.ring.lock().listener.is_some()
    }

    /// Events after a number, up to about so many bytes.
    pub fn fetch(&self, mailbox: &Arc<Mailbox>, after: u64, bytes_max: usize) -> Fetched {
        let mut ring = self.ring.lock();
        if !ring.is_read_by(mailbox) {
            return Fetched::Moved;
        }
        if let Some(error) = &ring.over {
            return Fetched::Over(error.clone());
        }
        let mut bytes = 0;
        let waiting = ring.entries.iter().skip_while(|entry| entry.id <= after);
        let fitting = waiting.take_while(|entry| {
            let fits = bytes == 0 || bytes + entry.bytes <= bytes_max;
            bytes += entry.bytes;
            fits
        });
        let entries: Vec<Entry> = fitting.cloned().collect();
        ring.fetched = entries.last().map_or(after, |entry| entry.id).max(ring.fetched);
        Fetched::Events(entries)
    }

    /// The number of the last event.
    pub fn last(&self) -> u64 {
        self.ring.lock().last.0
    }

    /// From where a later server should count on: the last event before `then_ms`, and a commit that it is the last
    /// one of. Who reads has it for sure, or has been away for long.
    pub fn mark(&self, then_ms: i64) -> (u64, Seq) {
        let ring = self.ring.lock();
        let settled = ring.entries.iter().take_while(|entry| entry.at_ms < then_ms).last();
        match settled {
            Some(entry) if entry.id == ring.last.0 => ring.last,
            Some(entry) => (entry.id, entry.seq),
            None if ring.entries.is_empty() => ring.last,
            None => ring.dropped,
        }
    }
}

impl Ring {
    fn is_read_by(&self, mailbox: &Arc<Mailbox>) -> bool {
        self.listener.as_ref().is_some_and(|listener| Arc::ptr_eq(&listener.mailbox, mailbox))
    }

    fn tell(&self) {
        if let Some(listener) = &self.listener {
            listener.mailbox.put(listener.watch);
        }
    }

    fn trim(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max && self.entries.len() > 1 {
            let unread = self.entries.front().is_some_and(|entry| entry.id > self.fetched);
            if unread && self.listener.is_some() {
                self.over.get_or_insert_with(too_slow);
                self.entries.clear();
                self.bytes = 0;
                return;
            }
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= entry.bytes;
            self.dropped = (entry.id, entry.seq);
        }
    }
}

fn too_slow() -> Error {
    Error::new(
        Code::Cancelled,
        format!(
            "the events of this watch waited until they took more than {RING_BYTES_MAX} bytes: the connection is too \
             slow for it; watch again, if possible with a narrower query"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(watch: u32) -> Listener {
        Listener { mailbox: Arc::default(), watch }
    }

    fn feed() -> (Feed, Arc<AtomicU64>) {
        (Feed::new(1, "q".into(), INIT_ID, Seq(10)), Arc::default())
    }

    fn ids(fetched: Fetched) -> Vec<u64> {
        match fetched {
            Fetched::Events(entries) => entries.iter().map(|entry| entry.id).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_reader_gets_each_event_once_and_a_new_one_repeats() {
        let (feed, total) = feed();
        let first = listener(4);
        assert!(feed.attach(INIT_ID, first.clone()));
        for seq in 11..14 {
            assert!(feed.push(Seq(seq), vec![Text::new("x".repeat(100), &total)], 0));
        }
        assert_eq!(first.mailbox.take(), [4]);
        assert_eq!(ids(feed.fetch(&first.mailbox, 1, 300)), [2], "a piece of about the wanted size");
        assert_eq!(ids(feed.fetch(&first.mailbox, 2, 9000)), [3, 4]);
        assert!(ids(feed.fetch(&first.mailbox, 4, 9000)).is_empty());
        let second = listener(0);
        assert!(feed.attach(2, second.clone()));
        assert_eq!(first.mailbox.take(), [4], "the first reader hears that it lost the feed");
        assert!(matches!(feed.fetch(&first.mailbox, 4, 9000), Fetched::Moved));
        assert_eq!(ids(feed.fetch(&second.mailbox, 2, 9000)), [3, 4]);
        feed.detach(&first.mailbox);
        assert!(feed.is_attached());
        assert_eq!(total.load(Ordering::Relaxed), 300);
        drop(feed);
        assert_eq!(total.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_slow_reader_is_told_and_costs_no_more_than_the_ring() {
        let (feed, total) = feed();
        let slow = listener(1);
        assert!(feed.attach(INIT_ID, slow.clone()));
        let mut pushed = 0;
        while feed.push(Seq(11 + pushed), vec![Text::new("x".repeat(10_000), &total)], 0) {
            assert!(total.load(Ordering::Relaxed) <= RING_BYTES_MAX as u64);
            pushed += 1;
        }
        assert!(pushed > 90);
        assert_eq!(total.load(Ordering::Relaxed), 0);
        assert!(matches!(feed.fetch(&slow.mailbox, 1, 9000), Fetched::Over(error) if error.message.contains("slow")));
    }

    #[test]
    fn without_a_reader_the_oldest_events_go() {
        let (feed, total) = feed();
        for seq in 0..200 {
            assert!(feed.push(Seq(11 + seq), vec![Text::new("x".repeat(10_000), &total)], 0));
        }
        assert!(!feed.attach(INIT_ID, listener(0)), "what follows is not there any more");
        assert!(feed.attach(190, listener(0)));
        assert!(!feed.attach(202, listener(0)), "that has not happened yet");
        assert_eq!(feed.last(), 201);
    }

    #[test]
    fn a_mark_lies_behind_what_was_settled() {
        let (feed, total) = feed();
        assert_eq!(feed.mark(100), (1, Seq(10)));
        for (seq, at) in [(11, 50), (15, 150)] {
            feed.push(Seq(seq), vec![Text::new("x".into(), &total)], at);
        }
        assert_eq!(feed.mark(40), (1, Seq(10)));
        assert_eq!(feed.mark(100), (2, Seq(11)));
        feed.pass(Seq(20));
        assert_eq!(feed.mark(200), (3, Seq(20)));
    }
}
