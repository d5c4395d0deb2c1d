//! The different values of a field.

use std::collections::BTreeMap;

use storage::key::{self, Direction};
use storage::{Path, RawDoc, Value, ValueRef};

use crate::cx::Cx;
use crate::error::{Error, Result};

/// MongoDB's number for a key with a NUL in it.
const NUL_IN_KEY: i32 = 31032;

/// Collects the different values of a field. Of values that compare equal the first stands for all.
#[derive(Debug)]
pub struct Distinct {
    path: Path,
    values: BTreeMap<Vec<u8>, Value>,
    bytes: u64,
}

impl Distinct {
    /// Reads the key of a distinct.
    ///
    /// # Errors
    /// 31032 where it holds a NUL.
    pub fn new(key: &str) -> Result<Distinct> {
        match key.contains('\0') {
            false => Ok(Distinct { path: Path::new(key), values: BTreeMap::new(), bytes: 0 }),
            true => Err(Error::mongo(NUL_IN_KEY, "the key of a distinct must not contain a NUL character")),
        }
    }

    /// Adds the values that the path leads to: arrays on the way and at its end are entered.
    ///
    /// # Errors
    /// 292 where the values take more memory than a stage may; the deadline.
    pub fn add(&mut self, doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<()> {
        cx.tick()?;
        let path = self.path.clone();
        let names: Vec<&str> = path.parts().iter().map(storage::Part::name).collect();
        self.follow(doc, &names, cx)
    }

    /// The values in rising order.
    pub fn into_values(self) -> Vec<Value> {
        self.values.into_values().collect()
    }

    fn follow(&mut self, doc: RawDoc<'_>, names: &[&str], cx: &Cx<'_>) -> Result<()> {
        let Some((name, rest)) = names.split_first() else { return Ok(()) };
        match (doc.get(name), rest) {
            (None, _) => Ok(()),
            (Some(ValueRef::Array(array)), []) => array.iter().try_for_each(|element| self.keep(element, cx)),
            (Some(value), []) => self.keep(value, cx),
            (Some(ValueRef::Document(inner)), _) => self.follow(inner, rest, cx),
            (Some(ValueRef::Array(array)), [next, ..]) => {
                if next.bytes().all(|byte| byte.is_ascii_digit()) {
                    return self.follow(array.as_doc(), rest, cx);
                }
                array.iter().try_for_each(|element| match element {
                    ValueRef::Document(inner) => self.follow(inner, rest, cx),
                    ValueRef::Array(inner) => self.follow(inner.as_doc(), rest, cx),
                    _ => Ok(()),
                })
            }
            _ => Ok(()),
        }
    }

    fn keep(&mut self, value: ValueRef<'_>, cx: &Cx<'_>) -> Result<()> {
        let mut bytes = Vec::new();
        key::encode(value, Direction::Ascending, cx.collation, &mut bytes);
        if self.values.contains_key(&bytes) {
            return Ok(());
        }
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.bytes > cx.limits.stage_bytes_max {
            let message = format!("the different values take more than {} bytes", cx.limits.stage_bytes_max);
            return Err(Error::mongo(crate::number::MEMORY_LIMIT, message).with_code(crate::Code::MemoryLimit));
        }
        self.values.insert(bytes, value.to_value());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::testing::Surroundings;
    use crate::notation::{docs, text};

    fn check(key: &str, given: &str, expect: &str) {
        let surroundings = Surroundings::default();
        let mut distinct = Distinct::new(key).expect("a key");
        docs(given).iter().for_each(|doc| distinct.add(doc.raw(), &surroundings.cx()).expect("added"));
        let shown: Vec<String> = distinct.into_values().iter().map(|value| text(value.as_ref())).collect();
        assert_eq!(shown.join(" "), expect, "{key} of {given}");
    }

    #[test]
    fn values_appear_once() {
        check("a", "[{a: 1}, {a: 1.0}, {a: [1, 2, [3]]}, {b: 1}, {a: null}]", "null 1 2 [3]");
        check("a.b", "[{a: [{b: 1}, {b: [2, 3]}, 4]}, {a: {b: 1}}]", "1 2 3");
        check("a.0", "[{a: [5, 6]}, {a: [{'0': 7}]}]", "5 {0: 7}");
    }
}
