//! Turns a fuzzer's bytes into documents: short inputs already reach every kind of value, and a mutation of a byte changes
//! one decision. It knows the storage crate's builders and nothing of what the targets check.

use query::filter::{FIELD_OPERATORS, TOP_OPERATORS};
use query::update::UPDATE_OPERATORS;
use query::{Deadline, Limits, Random, Session};
use storage::{Decimal128, Doc, DocBuilder, ValueRef};

/// Where documents stop growing deeper.
pub const DEPTH_MAX: usize = 4;
const FIELDS_MAX: u8 = 6;
const NAMES: [&str; 8] = ["a", "b", "a.b", "_id", "", "0", "ab", "列"];
const WHOLE: [i64; 12] =
    [0, 1, -1, 2, 10, 127, 255, i32::MAX as i64, i32::MIN as i64, i64::MAX, i64::MIN, 9_007_199_254_740_993];
const FRACTIONS: [f64; 12] = [
    0.0,
    -0.0,
    0.5,
    -0.5,
    1.5,
    1e-300,
    1e300,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::MIN_POSITIVE,
    9_007_199_254_740_992.0,
];

/// Reads decisions off the front of the input; an empty input decides for the simplest.
pub struct Grower<'a> {
    bytes: &'a [u8],
    names: &'a [&'a str],
}

impl<'a> Grower<'a> {
    pub fn new(bytes: &'a [u8]) -> Grower<'a> {
        Grower { bytes, names: &NAMES }
    }

    /// From here on fields have these names: the words of a language.
    pub fn speak(&mut self, names: &'a [&'a str]) {
        self.names = names;
    }

    /// Is there nothing left to decide with?
    pub fn is_done(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    fn eight(&mut self) -> [u8; 8] {
        std::array::from_fn(|_| self.byte())
    }

    fn text(&mut self) -> String {
        let length = usize::from(self.byte() % 12).min(self.bytes.len());
        let (text, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    fn text_without_nul(&mut self) -> String {
        self.text().replace('\0', "")
    }

    /// A document of up to six fields.
    pub fn document(&mut self) -> Doc {
        let mut builder = DocBuilder::new();
        self.fields(&mut builder, 0);
        builder.finish()
    }

    /// A document with one field, `v`.
    pub fn one_value(&mut self) -> Doc {
        let mut builder = DocBuilder::new();
        self.field(&mut builder, "v", 0);
        builder.finish()
    }

    fn fields(&mut self, builder: &mut DocBuilder, depth: usize) {
        for _ in 0..self.byte() % FIELDS_MAX {
            let name = self.names[usize::from(self.byte()) % self.names.len()];
            self.field(builder, name, depth);
        }
    }

    fn field(&mut self, builder: &mut DocBuilder, name: &str, depth: usize) {
        match self.byte() % 20 {
            0 => builder.put(name, ValueRef::MinKey),
            1 => builder.put(name, ValueRef::MaxKey),
            2 => builder.put(name, ValueRef::Null),
            3 => builder.put(name, ValueRef::Undefined),
            4 => builder.put(name, ValueRef::Bool(self.byte() % 2 == 0)),
            5 => builder.put(name, ValueRef::Int32(self.whole() as i32)),
            6 => builder.put(name, ValueRef::Int64(self.whole())),
            7 => builder.put(name, ValueRef::Double(self.fraction())),
            8 => builder.put(name, ValueRef::Double(self.whole() as f64)),
            9 => builder.put(name, ValueRef::Decimal128(self.decimal())),
            10 => builder.put(name, ValueRef::String(&self.text())),
            11 => builder.put(name, ValueRef::Symbol(&self.text())),
            12 => builder.put(name, ValueRef::Binary { subtype: self.byte(), bytes: self.text().as_bytes() }),
            13 => builder.put(name, ValueRef::ObjectId(std::array::from_fn(|_| self.byte()))),
            14 => builder.put(name, ValueRef::DateTime(self.whole())),
            15 => {
                let (seconds, increment) = (self.whole() as u32, u32::from(self.byte()));
                builder.put(name, ValueRef::Timestamp { seconds, increment });
            }
            16 => {
                let (pattern, options) = (self.text_without_nul(), "im");
                builder.put(name, ValueRef::Regex { pattern: &pattern, options });
            }
            17 => builder.put(name, ValueRef::JavaScript(&self.text())),
            18 if depth < DEPTH_MAX => {
                let open = builder.open_document(name);
                self.fields(builder, depth + 1);
                builder.close(open);
            }
            19 if depth < DEPTH_MAX => {
                let open = builder.open_array(name);
                for index in 0..self.byte() % FIELDS_MAX {
                    self.field(builder, &index.to_string(), depth + 1);
                }
                builder.close(open);
            }
            _ => builder.put(name, ValueRef::String("")),
        }
    }

    fn whole(&mut self) -> i64 {
        match self.byte() {
            choice @ 0..100 => WHOLE[usize::from(choice) % WHOLE.len()],
            100..180 => i64::from(self.byte() as i8),
            _ => i64::from_le_bytes(self.eight()),
        }
    }

    fn fraction(&mut self) -> f64 {
        match self.byte() {
            choice @ 0..120 => FRACTIONS[usize::from(choice) % FRACTIONS.len()],
            120..180 => self.whole() as f64 / 8.0,
            _ => f64::from_le_bytes(self.eight()),
        }
    }

    fn decimal(&mut self) -> Decimal128 {
        match self.byte() {
            0..100 => Decimal128::from_i64(self.whole()),
            _ => Decimal128::from_le_bytes(std::array::from_fn(|_| self.byte())),
        }
    }
}

/// The words of filters: every operator, between the names that documents have.
pub fn filter_words() -> Vec<&'static str> {
    let operators = TOP_OPERATORS.iter().map(|row| row.name).chain(FIELD_OPERATORS.iter().map(|row| row.name));
    NAMES
        .into_iter()
        .chain(operators)
        .chain(["$options", "$maxDistance", "type", "coordinates", "a.0", "a.b.c"])
        .collect()
}

/// The words of updates, those of the modifiers and of positional paths included.
pub fn update_words() -> Vec<&'static str> {
    let operators = UPDATE_OPERATORS.iter().map(|row| row.name);
    let modifiers = ["$each", "$position", "$slice", "$sort", "and", "or", "xor", "$type"];
    NAMES
        .into_iter()
        .chain(operators)
        .chain(modifiers)
        .chain(["a.$", "a.$[]", "a.$[x]", "a.0.b", "x", "$gt", "$in"])
        .collect()
}

/// A request's surroundings that end: no input may work for ever.
pub fn session() -> Session {
    Session {
        env: storage::EnvId(1),
        caller: query::Caller::Admin,
        key: None,
        transaction: None,
        limits: Limits::default().into(),
        now: 1_700_000_000_000,
        deadline: Deadline::after_ticks(100_000),
        random: Random::seeded(1),
    }
}
