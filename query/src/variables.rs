//! Variables that a request brings along: the command's `let`, and the `let` of stages with a pipeline of their own.
//!
//! Names are resolved to positions when an expression is read, so evaluation never compares names. A pipeline inside a
//! stage is read once, before its variables have values; it is evaluated with [`Variables`] of the same names in the
//! same order.

use std::sync::Arc;

use storage::{RawDoc, Value, ValueRef};

use crate::cx::Cx;
use crate::error::number::FAILED_TO_PARSE;
use crate::error::{Error, Result};
use crate::expr::Expr;

/// Named values outside the document.
#[derive(Clone, Debug, Default)]
pub struct Variables(Vec<Variable>);

#[derive(Clone, Debug)]
struct Variable {
    name: Arc<str>,
    binding: Binding,
}

/// What a variable stands for.
#[derive(Clone, Debug)]
pub enum Binding {
    /// A value that is known now.
    Value(Value),
    /// Known to be missing.
    Missing,
    /// A value that comes with each document of an outer pipeline; there is none while the inner one is read.
    Later,
}

static NONE: Variables = Variables(Vec::new());

impl Variables {
    /// No variable.
    pub fn none() -> &'static Variables {
        &NONE
    }

    /// Reads a command's `let`: a document of names and expressions that see no document, only earlier variables.
    ///
    /// # Errors
    /// As for expressions; 4890500 where one reads a field; 9 where a name cannot be a variable's.
    pub fn parse(doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<Variables> {
        let mut variables = cx.variables.clone();
        for (name, value) in doc.iter() {
            check_name(name)?;
            let inner = cx.with_variables(&variables);
            let expr = Expr::parse(value, &inner)?;
            if expr.reads_document() {
                return Err(Error::mongo(
                    READS_FIELD,
                    format!("the variable '{name}' of `let` reads a field, but no document is at hand yet"),
                ));
            }
            let binding = match expr.eval(RawDoc::empty(), &inner)?.into_value() {
                Some(value) => Binding::Value(value),
                None => Binding::Missing,
            };
            variables.bind(name, binding);
        }
        Ok(variables)
    }

    /// Gives a name a meaning. An earlier meaning of the same name is hidden.
    pub fn bind(&mut self, name: &str, binding: Binding) {
        self.0.push(Variable { name: name.into(), binding });
    }

    /// Changes what the variable at a position stands for; nothing happens where there is none.
    pub fn rebind(&mut self, position: usize, binding: Binding) {
        if let Some(variable) = self.0.get_mut(position) {
            variable.binding = binding;
        }
    }

    /// Forgets all but the first `count`.
    pub fn truncate(&mut self, count: usize) {
        self.0.truncate(count);
    }

    /// How many there are, hidden ones included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where the variable of this name stands: the last one counts.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().rposition(|variable| &*variable.name == name)
    }

    /// What the variable at a position stands for.
    pub fn binding(&self, position: usize) -> Option<&Binding> {
        self.0.get(position).map(|variable| &variable.binding)
    }

    /// The value at a position; `None` where it is missing.
    #[inline]
    pub fn value(&self, position: usize) -> Option<ValueRef<'_>> {
        match self.binding(position)? {
            Binding::Value(value) => Some(value.as_ref()),
            Binding::Missing | Binding::Later => None,
        }
    }
}

const READS_FIELD: i32 = 4_890_500;

/// Refuses names that a user may not give to a variable.
///
/// # Errors
/// 9 (FailedToParse) for the empty name, a bad first character or a bad later one.
pub fn check_name(name: &str) -> Result<()> {
    let fault = |what: &str| Err(Error::mongo(FAILED_TO_PARSE, format!("the variable name '{name}' {what}")));
    match name.as_bytes() {
        [] => fault("is empty; a variable needs a name"),
        _ if name == "CURRENT" => Ok(()),
        [b'a'..=b'z' | 0x80.., rest @ ..] if rest.iter().copied().all(is_name_byte) => Ok(()),
        [b'a'..=b'z' | 0x80.., ..] => {
            fault("is not allowed: only letters, digits and _ may follow the first character")
        }
        _ => fault("is not allowed: it must start with a lower case letter"),
    }
}

/// May this byte stand inside a variable's name?
pub(crate) const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules() {
        for good in ["a", "ab_9", "CURRENT", "été", "日"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "_a", "9", "a-b", "a.b", "ROOT", "$a"] {
            assert_eq!(check_name(bad).map_err(|error| error.number), Err(9), "{bad}");
        }
    }

    #[test]
    fn the_last_binding_counts() {
        let mut variables = Variables::none().clone();
        variables.bind("x", Binding::Missing);
        variables.bind("x", Binding::Value(Value::Int32(1)));
        assert_eq!(variables.position("x"), Some(1));
        assert_eq!(variables.value(1).and_then(ValueRef::as_i64), Some(1));
        assert!(variables.value(0).is_none() && variables.position("y").is_none());
    }
}
