//! Ids for documents that come without one.

use storage::Value;

use crate::random::Random;

/// How missing ids are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdStyle {
    /// 32 lower-case hex digits: seconds, then chance. What CloudBase's own ids look like.
    Hex,
    /// An ObjectId, as MongoDB makes them.
    ObjectId,
}

impl IdStyle {
    /// A new id; it begins with the seconds of `now`, so ids sort roughly by time.
    pub fn make(self, now: i64, random: &Random) -> Value {
        let seconds = u32::try_from(now / 1000).unwrap_or_default();
        let (high, low) = (random.next_bits(), random.next_bits());
        match self {
            IdStyle::Hex => Value::String(format!("{seconds:08x}{:08x}{low:016x}", high >> 32)),
            IdStyle::ObjectId => {
                let mut id = [0; 12];
                let bytes = seconds.to_be_bytes().into_iter().chain(high.to_be_bytes());
                id.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
                Value::ObjectId(id)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_begin_with_their_time() {
        let random = Random::seeded(1);
        let Value::String(id) = IdStyle::Hex.make(1_700_000_000_123, &random) else { panic!("a text") };
        assert_eq!((id.len(), &id[..8]), (32, "6553f100"));
        let Value::ObjectId(id) = IdStyle::ObjectId.make(1_700_000_000_123, &random) else { panic!("an ObjectId") };
        assert_eq!(id[..4], [0x65, 0x53, 0xF1, 0x00]);
    }
}
