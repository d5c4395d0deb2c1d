//! The members of `$in`: values sorted for binary search, and patterns.

use storage::{Collation, Value, ValueRef, compare_with};

use super::regex::Pattern;
use crate::cx::Cx;
use crate::error::Result;

/// A set of values and patterns.
#[derive(Clone, Debug)]
pub struct Members {
    values: Vec<Value>,
    patterns: Vec<Pattern>,
}

impl Members {
    /// Sorts the values by the order that the collation gives, and drops repeated ones.
    pub fn new(values: Vec<Value>, patterns: Vec<Pattern>, collation: Option<&Collation>) -> Members {
        let mut members = Members::sorted(values, patterns, collation);
        members.values.dedup_by(|a, b| compare_with(a.as_ref(), b.as_ref(), collation).is_eq());
        members
    }

    /// As [`Members::new`], but repeated values stay: an upsert takes a value from its filter only if it is the only one.
    pub(super) fn sorted(mut values: Vec<Value>, patterns: Vec<Pattern>, collation: Option<&Collation>) -> Members {
        values.sort_by(|a, b| compare_with(a.as_ref(), b.as_ref(), collation));
        Members { values, patterns }
    }

    /// The values in rising order.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The patterns.
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// Is null a member? Then what is missing is one too.
    pub fn has_null(&self) -> bool {
        self.values.iter().take(3).any(|value| matches!(value, Value::Null))
    }

    /// Is the value a member? `None` stands for what is missing.
    pub(super) fn contains(&self, value: Option<ValueRef<'_>>, cx: &Cx<'_>) -> Result<bool> {
        let Some(value) = value else { return Ok(self.has_null()) };
        let found = self.values.binary_search_by(|member| compare_with(member.as_ref(), value, cx.collation));
        if found.is_ok() || (matches!(value, ValueRef::Undefined) && self.has_null()) {
            return Ok(true);
        }
        for pattern in &self.patterns {
            if pattern.matches(value, cx)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
