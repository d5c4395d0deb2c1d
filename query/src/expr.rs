//! Expressions: what `$project`, `$group`, `$expr` and their like compute from a document.
//!
//! [`Expr::parse`] reads MongoDB's expression language once; [`Expr::eval`] computes over a document's bytes. A field
//! path gives a borrowed value, constants are folded while reading, variables live in numbered places, so evaluating
//! allocates only for new texts, arrays and documents. *Missing* is told from null: see [`Computed`].
//!
//! Every operator is one row of [`operators`]: name, arguments, function, MongoDB release, help. The families live in
//! files of their own. Nothing here knows plans, stores or rules.
//!
//! ```ignore
//! let expr = Expr::parse(value, &cx)?;               // {$add: ["$price", "$fee"]}
//! let total = expr.eval(doc.raw(), &cx)?;            // Computed, borrowed from doc where possible
//! ```

pub(crate) mod accumulate;
mod arith;
mod array;
mod bits;
mod boolean;
mod call;
mod compare;
mod computed;
mod convert;
mod date;
mod hashed;
mod object;
mod operand;
mod path;
mod read;
mod real;
mod regex;
mod select;
mod set;
mod string;
mod sum;
mod surroundings;
mod table;
#[cfg(test)]
pub(crate) mod testing;
mod text;
mod trig;
mod variable;

use storage::{ArrayBuilder, DocBuilder, RawDoc, Value, ValueRef};

use crate::cx::Cx;
use crate::error::{Error, Result};

pub(crate) use accumulate::infos as accumulators;
pub(crate) use call::Call;
pub use computed::Computed;
pub(crate) use computed::truth;
pub use date::FORMAT_CODES;
pub(crate) use date::{Unit, Zone, date_plus};
pub(crate) use hashed::hash;
pub use path::FieldPath;
pub(crate) use read::{Late, Reading, check_field_name};
pub(crate) use real::Real;
pub use table::{OperatorInfo, operators};
pub(crate) use variable::check_depth;

/// A computation over a document.
#[derive(Clone, Debug)]
pub struct Expr(Node);

#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// Known when the expression was read; `None` is missing.
    Constant(Option<Value>),
    /// A field of the document.
    Field(FieldPath),
    /// A variable, or a field of its value.
    Variable(Place, Option<FieldPath>),
    /// The whole document.
    Root,
    /// A document of computed fields.
    Document(Box<[(Box<str>, Expr)]>),
    /// An array of computed elements.
    Array(Box<[Expr]>),
    /// An operator and its arguments.
    Call(Box<Call>),
    /// An argument that was not given.
    Absent,
}

/// Where a variable's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Position in [`crate::Variables`].
    Outer(usize),
    /// In the frame of so many enclosing operators that bind variables, at a position in it.
    Local { level: u32, index: usize },
    /// A variable that MongoDB knows and this server cannot fill.
    Unavailable(&'static str),
}

/// What an expression sees while it is evaluated.
#[derive(Clone, Copy)]
pub(crate) struct Env<'a> {
    pub root: RawDoc<'a>,
    pub frame: Option<&'a Frame<'a>>,
    pub cx: &'a Cx<'a>,
}

/// The values that one operator binds for its inner expression.
pub(crate) struct Frame<'a> {
    pub outer: Option<&'a Frame<'a>>,
    pub level: u32,
    pub values: &'a [Computed<'a>],
}

impl Expr {
    /// Reads an expression.
    ///
    /// # Errors
    /// MongoDB's number for what is wrong with its shape; also faults of constant parts such as `{$divide: [1, 0]}`.
    pub fn parse(value: ValueRef<'_>, cx: &Cx<'_>) -> Result<Expr> {
        let late = Late::default();
        let expr = Reading::new(cx, &late).expr(value)?;
        late.check()?;
        Ok(expr)
    }

    /// The expression that always gives this value.
    pub const fn constant(value: Option<Value>) -> Expr {
        Expr(Node::Constant(value))
    }

    /// The expression that gives the field at a path.
    pub const fn field(path: FieldPath) -> Expr {
        Expr(Node::Field(path))
    }

    /// The expression for the whole document.
    pub const fn root() -> Expr {
        Expr(Node::Root)
    }

    /// Computes the value over a document. What can be borrowed is.
    ///
    /// # Errors
    /// MongoDB's number for operands that an operator refuses; `Timeout`; `TooLarge` beyond 16 MiB.
    #[inline]
    pub fn eval<'a>(&'a self, doc: RawDoc<'a>, cx: &'a Cx<'a>) -> Result<Computed<'a>> {
        self.compute(&Env { root: doc, frame: None, cx })
    }

    /// Computes the value inside an operator that binds one variable at a level (see [`Reading::within`]).
    pub(crate) fn eval_within<'a>(
        &'a self,
        doc: RawDoc<'a>,
        level: u32,
        value: ValueRef<'a>,
        cx: &'a Cx<'a>,
    ) -> Result<Computed<'static>> {
        let values = [Computed::Ref(value)];
        let frame = Frame { outer: None, level, values: &values };
        Ok(self.compute(&Env { root: doc, frame: Some(&frame), cx })?.into_owned())
    }

    /// The value, where it is known without a document. The outer `None` means it is not; the inner one means missing.
    pub const fn as_constant(&self) -> Option<&Option<Value>> {
        match &self.0 {
            Node::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// The path, where the expression is just a field.
    pub const fn as_field(&self) -> Option<&FieldPath> {
        match &self.0 {
            Node::Field(path) => Some(path),
            _ => None,
        }
    }

    /// The operator's name and its arguments, where the expression is a call.
    pub fn as_call(&self) -> Option<(&'static str, &[Expr])> {
        match &self.0 {
            Node::Call(call) => Some((call.op.name, call.args())),
            _ => None,
        }
    }

    /// Does the value depend on the document?
    pub fn reads_document(&self) -> bool {
        let mut reads = false;
        self.fields(&mut |_| reads = true);
        reads
    }

    /// Does chance decide its value?
    pub(crate) fn draws_lots(&self) -> bool {
        let mut drawn = self.as_call().is_some_and(|(name, _)| name == "$rand");
        self.parts(&mut |part| drawn |= part.draws_lots());
        drawn
    }

    /// Calls `found` with every field path that the expression reads, and with `None` where it reads the whole document.
    pub fn fields(&self, found: &mut dyn FnMut(Option<&FieldPath>)) {
        match &self.0 {
            Node::Field(path) => found(Some(path)),
            Node::Root => found(None),
            _ => self.parts(&mut |part| part.fields(found)),
        }
    }

    /// Calls `each` with every expression directly inside this one.
    pub(crate) fn parts(&self, each: &mut dyn FnMut(&Expr)) {
        match &self.0 {
            Node::Document(fields) => fields.iter().for_each(|(_, expr)| each(expr)),
            Node::Array(items) => items.iter().for_each(each),
            Node::Call(call) => call.args().iter().for_each(each),
            Node::Constant(_) | Node::Field(_) | Node::Variable(..) | Node::Root | Node::Absent => {}
        }
    }

    #[inline]
    pub(crate) fn compute<'a>(&'a self, env: &Env<'a>) -> Result<Computed<'a>> {
        match &self.0 {
            Node::Constant(value) => Ok(Computed::from_option(value.as_ref().map(Value::as_ref))),
            Node::Field(path) => Ok(path.of(env.root)),
            Node::Call(call) => (call.op.eval)(call, env),
            Node::Root => Ok(Computed::Ref(ValueRef::Document(env.root))),
            Node::Variable(place, path) => {
                let value = env.variable(*place)?;
                Ok(match (path, value) {
                    (None, value) => Computed::from_option(value),
                    (Some(path), Some(value)) => path.of_value(value),
                    (Some(_), None) => Computed::Missing,
                })
            }
            Node::Document(fields) => document(fields, env),
            Node::Array(items) => array(items, env),
            Node::Absent => Ok(Computed::Missing),
        }
    }

    /// An argument that was not given.
    pub(crate) const fn absent() -> Expr {
        Expr(Node::Absent)
    }

    pub(crate) const fn is_absent(&self) -> bool {
        matches!(self.0, Node::Absent)
    }
}

fn document<'a>(fields: &'a [(Box<str>, Expr)], env: &Env<'a>) -> Result<Computed<'a>> {
    let mut builder = DocBuilder::new();
    for (name, expr) in fields {
        if let Some(value) = expr.compute(env)?.as_ref() {
            builder.put(name, value);
        }
        bounded(builder.len())?;
    }
    Ok(Computed::Own(Value::Document(builder.finish())))
}

fn array<'a>(items: &'a [Expr], env: &Env<'a>) -> Result<Computed<'a>> {
    let mut builder = ArrayBuilder::new();
    for expr in items {
        builder.push(expr.compute(env)?.as_ref().unwrap_or(ValueRef::Null));
        bounded(builder.size())?;
    }
    Ok(Computed::Own(Value::Array(builder.finish())))
}

/// Refuses a value that would grow beyond what any document can hold.
pub(crate) fn bounded(bytes: usize) -> Result<()> {
    if bytes <= storage::limits::DOC_BYTES_MAX {
        return Ok(());
    }
    let message = format!(
        "a computed value would take more than {} bytes; compute less at a time",
        storage::limits::DOC_BYTES_MAX
    );
    Err(Error::mongo(crate::error::number::OBJECT_TOO_LARGE, message).with_code(crate::error::Code::TooLarge))
}

/// Refuses a computed value that is nested deeper than an answer may be.
pub(crate) fn storable(value: ValueRef<'_>) -> Result<()> {
    // Each level takes eight bytes at least, so short values need no look.
    const SHORT: usize = 8 * 100;
    match value {
        ValueRef::Document(doc) if doc.as_bytes().len() > SHORT => check_depth(doc),
        ValueRef::Array(array) if array.as_bytes().len() > SHORT => check_depth(array.as_doc()),
        _ => Ok(()),
    }
}

/// Is this the name of an operator that expressions may use?
pub(crate) fn is_operator(name: &str, cx: &Cx<'_>) -> bool {
    table::find(name).is_some_and(|op| u64::from(op.since) <= cx.limits.language_release_max)
}

impl<'a> Env<'a> {
    fn variable(&self, place: Place) -> Result<Option<ValueRef<'a>>> {
        match place {
            Place::Outer(position) => Ok(self.cx.variables.value(position)),
            Place::Local { level, index } => {
                let mut frame = self.frame;
                while let Some(inner) = frame.filter(|frame| frame.level != level) {
                    frame = inner.outer;
                }
                Ok(frame.and_then(|frame| frame.values.get(index)).and_then(Computed::as_ref))
            }
            Place::Unavailable(name) => Err(Error::mongo(
                UNAVAILABLE,
                format!("the variable $${name} has no value on this server; use $$NOW or a field instead"),
            )),
        }
    }

    /// The same surroundings, inside an operator that binds variables.
    pub(crate) fn within<'b>(&self, frame: &'b Frame<'b>) -> Env<'b>
    where
        'a: 'b,
    {
        Env { root: self.root, frame: Some(frame), cx: self.cx }
    }
}

const UNAVAILABLE: i32 = 51144;

#[cfg(test)]
mod tests {
    use super::testing::{check, check_over};

    #[test]
    fn paths_map_over_arrays_of_documents() {
        let rows = [
            ("'$a.b'", "[1, 2]"),
            ("'$a.0'", "[]"),
            ("'$c.d.e'", "5"),
            ("'$c.x.y'", "missing"),
            ("'$n.b'", "[]"),
            ("'$$ROOT.c.d'", "{e: 5}"),
            ("{x: '$missing', y: ['$missing']}", "{y: [null]}"),
        ];
        check_over("{a: [{b: 1}, 7, {c: 1}, {b: 2}], c: {d: {e: 5}}, n: [[{b: 1}]]}", &rows);
    }

    #[test]
    fn shapes_are_checked() {
        check(&[
            ("'$'", "16872"),
            ("'$$'", "9"),
            ("'$$nobody'", "17276"),
            ("'$$KEEP'", "17276"),
            ("'$$CLUSTER_TIME'", "51144"),
            ("'$$NOW'", "d0"),
            ("'$$REMOVE.a'", "missing"),
            ("{$nope: 1}", "168"),
            ("{$add: 1, b: 2}", "15983"),
            ("{b: 2, $add: 1}", "16410"),
            ("{'a.b': 1}", "16412"),
            ("{a: 1, a: 2}", "16406"),
        ]);
    }

    #[test]
    fn a_fault_of_a_constant_part_comes_after_faults_of_shape() {
        check(&[("{$add: [{$divide: [1, 0]}, {$nope: 1}]}", "168"), ("{$add: ['$a', {$divide: [1, 0]}]}", "2")]);
    }
}
