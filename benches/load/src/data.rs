//! The workload: documents and operations, the same on every machine and for every server.
//!
//! Each value is a function of (stream, index) alone, so document *i* is the same whatever the number of documents is, and
//! nothing needs to be stored or shipped. This file knows no server.

use crate::reports::Report;
use serde_json::{Value, json};

/// Documents that a run loads unless told otherwise.
pub const DOCUMENTS: u64 = 100_000;
/// Rows that every list operation asks for.
pub const ROWS: u64 = 20;
/// Radius of a search around a place, in metres.
pub const RADIUS_METRES: f64 = 10_000.0;

const WORDS: &str = "time person year way day thing man world life hand part child eye woman place work week case point \
    company number group problem fact cloud function wafer index query store member order coupon ticket photo video \
    music travel food coffee street garden river mountain winter summer light paper school doctor market window bridge \
    signal engine travel basket silver copper yellow orange purple";
pub const USERS: u64 = 10_000;
pub const CATEGORIES: u64 = 50;
const TAGS: u64 = 200;
const CITIES: u64 = 100;
const FIRST_MS: u64 = 1_700_000_000_000;
const SPAN_MS: u64 = 63_072_000_000;

/// One operation of the workload.
#[derive(Clone, Debug)]
pub enum Op {
    Get { id: String },
    List { category: String },
    Compound { category: String, score: u64 },
    Count { category: String },
    Tags { tag: String },
    Near { longitude: f64, latitude: f64 },
    Insert { document: Value },
    Update { id: String },
    Report(Report),
}

/// What is measured as one line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Get,
    List,
    Compound,
    Tags,
    Near,
    Count,
    Insert,
    Update,
    Aggregate,
    Uncovered,
    Slice,
    Join,
    Top,
    Words,
    Mixed,
}

impl Kind {
    /// Does it neither add documents nor ask for what others have added?
    pub fn only_reads_or_updates(self) -> bool {
        !self.is_report() && !matches!(self, Kind::Insert | Kind::Mixed)
    }

    pub const ALL: [Kind; 15] = [
        Kind::Get,
        Kind::List,
        Kind::Compound,
        Kind::Tags,
        Kind::Near,
        Kind::Count,
        Kind::Insert,
        Kind::Update,
        Kind::Aggregate,
        Kind::Uncovered,
        Kind::Slice,
        Kind::Join,
        Kind::Top,
        Kind::Words,
        Kind::Mixed,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Get => "get",
            Kind::List => "list",
            Kind::Compound => "compound",
            Kind::Tags => "tags",
            Kind::Near => "near",
            Kind::Count => "count",
            Kind::Insert => "insert",
            Kind::Update => "update",
            Kind::Aggregate => "aggregate",
            Kind::Uncovered => "uncovered",
            Kind::Slice => "slice",
            Kind::Join => "join",
            Kind::Top => "top",
            Kind::Words => "words",
            Kind::Mixed => "mixed",
        }
    }

    /// The line's title in the report.
    pub fn title(self) -> &'static str {
        match self {
            Kind::Get => "point read",
            Kind::List => "list of 20 by index",
            Kind::Compound => "compound range + sort, 20 of 200",
            Kind::Tags => "array contains, 20",
            Kind::Near => "near, 20",
            Kind::Count => "count over 2 000 entries",
            Kind::Insert => "insert, synced, 7 index entries",
            Kind::Update => "update $inc by id, synced",
            Kind::Aggregate => "group by + avg over all, covered",
            Kind::Uncovered => "group by + avg over all, not covered",
            Kind::Slice => "match 1 % + group",
            Kind::Join => "lookup of a tenth by key + group",
            Kind::Top => "newest 100 of all, no index",
            Kind::Words => "two Chinese words, best 20",
            Kind::Mixed => "mixed",
        }
    }
}

impl Kind {
    /// Does it ask over many documents at once, which not every server can?
    pub const fn is_report(self) -> bool {
        matches!(self, Kind::Aggregate | Kind::Uncovered | Kind::Slice | Kind::Join | Kind::Top | Kind::Words)
    }
}

/// The number behind everything: a splitmix64 finaliser over a counter, streams set apart by an odd factor.
pub fn mix(stream: u64, index: u64) -> u64 {
    let mut z = index
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(stream.wrapping_mul(0xD1B5_4A32_D192_ED03))
        .wrapping_add(0x2545_F491_4F6C_DD1D);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// 32 hex digits, as the cloud makes them.
pub fn id(index: u64) -> String {
    format!("{:016x}{:016x}", mix(1, index), mix(2, index))
}

pub fn openid(user: u64) -> String {
    let digits = format!("{:016x}{:016x}", mix(3, user), mix(4, user));
    format!("o{}", digits.get(..27).unwrap_or(&digits))
}

pub fn category(number: u64) -> String {
    format!("cat{number:02}")
}

fn tag(number: u64) -> String {
    format!("tag{number:03}")
}

/// A coordinate within two degrees of `base`, to six decimals.
fn coordinate(base: f64, random: u64) -> f64 {
    let exact = base + (random % 1_000_000) as f64 / 1e6 * 2.0;
    format!("{exact:.6}").parse().unwrap_or(exact)
}

/// Document number `index`; `created` is in milliseconds and becomes a date where a server has dates.
pub fn document(index: u64) -> Value {
    let random = |stream| mix(stream, index);
    let first = random(10) % TAGS;
    let second = (first + 1 + random(11) % 99) % TAGS;
    let third = (first + 100 + random(12) % 99) % TAGS;
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let text: Vec<&str> =
        (0..24).filter_map(|at| words.get((mix(100 + at, index) % words.len() as u64) as usize).copied()).collect();
    json!({
        "_id": id(index),
        "_openid": openid(random(13) % USERS),
        "category": category(random(14) % CATEGORIES),
        "score": random(15) % 1000,
        "created": FIRST_MS + random(16) % SPAN_MS,
        "tags": [tag(first), tag(second), tag(third)],
        "author": { "name": format!("user{:05}", random(17) % USERS), "city": format!("city{:03}", random(18) % CITIES) },
        "loc": { "type": "Point", "coordinates": [coordinate(115.5, random(19)), coordinate(39.0, random(20))] },
        "likes": 0,
        "text": text.join(" "),
    })
}

/// Operation number `index` of a kind, against `loaded` documents. `fresh` numbers the next document to insert.
pub fn operation(kind: Kind, index: u64, loaded: u64, fresh: u64) -> Op {
    let random = |stream: u64| mix(1000 + stream, index);
    match kind {
        Kind::Get => Op::Get { id: id(random(1) % loaded) },
        Kind::List => Op::List { category: category(random(2) % CATEGORIES) },
        Kind::Compound => Op::Compound { category: category(random(3) % CATEGORIES), score: random(4) % 900 },
        Kind::Count => Op::Count { category: category(random(2) % CATEGORIES) },
        Kind::Tags => Op::Tags { tag: tag(random(6) % TAGS) },
        Kind::Near => Op::Near { longitude: coordinate(115.5, random(7)), latitude: coordinate(39.0, random(8)) },
        Kind::Insert => Op::Insert { document: document(loaded + fresh) },
        Kind::Update => Op::Update { id: id(random(5) % loaded) },
        Kind::Aggregate => Op::Report(Report::Covered),
        Kind::Uncovered => Op::Report(Report::Uncovered),
        Kind::Slice => Op::Report(Report::slice(random(9))),
        Kind::Join => Op::Report(Report::join(random(10))),
        Kind::Top => Op::Report(Report::Top),
        Kind::Words => Op::Report(Report::words(random(11))),
        Kind::Mixed => operation(mixed(mix(999, index)), index, loaded, fresh),
    }
}

/// What a small app sends: half point reads, a quarter lists, the rest everything else.
fn mixed(random: u64) -> Kind {
    match random % 20 {
        0..=9 => Kind::Get,
        10..=13 => Kind::List,
        14 | 15 => Kind::Compound,
        16 => Kind::Tags,
        17 => Kind::Count,
        18 => Kind::Insert,
        _ => Kind::Update,
    }
}
