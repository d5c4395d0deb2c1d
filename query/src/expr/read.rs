//! Reading expressions: shapes and names are checked, constants folded, variables given their places.

use std::cell::RefCell;

use storage::{RawDoc, Value, ValueRef};

use super::call::{Algebra, Call, Named, Op, Shape};
use super::computed::truth;
use super::path::FieldPath;
use super::{Env, Expr, Node, Place, table};
use crate::cx::Cx;
use crate::error::number::FAILED_TO_PARSE;
use crate::error::{Code, Error, Result};
use crate::variables::{Binding, is_name_byte};

/// The first fault of a constant part. It is raised only after all has been read: MongoDB finds faults of shape
/// anywhere in a pipeline before it computes anything.
#[derive(Default)]
pub(crate) struct Late(RefCell<Option<Error>>);

impl Late {
    /// Raises the fault that was noted, if there is one.
    pub fn check(self) -> Result<()> {
        self.0.into_inner().map_or(Ok(()), Err)
    }

    /// Notes a fault; the first one stays.
    pub fn note(&self, fault: Error) {
        self.0.borrow_mut().get_or_insert(fault);
    }
}

/// What is known while an expression is read.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub cx: &'a Cx<'a>,
    locals: Option<&'a Locals<'a>>,
    late: &'a Late,
}

/// Names that an operator binds for its inner expression.
struct Locals<'a> {
    outer: Option<&'a Locals<'a>>,
    level: u32,
    names: &'a [&'a str],
}

impl<'a> Reading<'a> {
    pub const fn new(cx: &'a Cx<'a>, late: &'a Late) -> Reading<'a> {
        Reading { cx, locals: None, late }
    }

    /// The same reading in other surroundings.
    pub const fn with_cx<'b>(&self, cx: &'b Cx<'b>) -> Reading<'b>
    where
        'a: 'b,
    {
        Reading { cx, locals: self.locals, late: self.late }
    }

    /// Reads an expression.
    pub fn expr(&self, value: ValueRef<'_>) -> Result<Expr> {
        match value {
            ValueRef::String(text) => self.text(text),
            ValueRef::Document(doc) => self.document(doc),
            ValueRef::Array(array) => {
                let items = array.iter().map(|item| self.expr(item)).collect::<Result<Vec<_>>>()?;
                Ok(self.fold(Expr(Node::Array(items.into())), false))
            }
            _ => Ok(Expr::constant(Some(value.to_value()))),
        }
    }

    fn text(&self, text: &str) -> Result<Expr> {
        match text.strip_prefix('$') {
            None => Ok(Expr::constant(Some(Value::from(text)))),
            Some("") => Err(Error::mongo(16872, "'$' alone is not a field path; name the field after it")),
            Some(path) => match path.strip_prefix('$') {
                Some(variable) => self.variable(variable),
                None => self.field(path),
            },
        }
    }

    fn field(&self, text: &str) -> Result<Expr> {
        let path = FieldPath::parse(text)?;
        Ok(Expr(match self.local("CURRENT") {
            Some(place) => Node::Variable(place, Some(path)),
            None => Node::Field(path),
        }))
    }

    fn variable(&self, text: &str) -> Result<Expr> {
        let (name, rest) = text.split_once('.').map_or((text, None), |(name, rest)| (name, Some(rest)));
        check_variable(name)?;
        let path = rest.map(FieldPath::parse).transpose()?;
        if let Some(place) = self.place(name) {
            return Ok(self.fold(Expr(Node::Variable(place, path)), self.is_known(place)));
        }
        Ok(Expr(match (name, path) {
            ("ROOT" | "CURRENT", None) => Node::Root,
            ("ROOT" | "CURRENT", Some(path)) => Node::Field(path),
            ("REMOVE", _) => Node::Constant(None),
            ("NOW", None) => Node::Constant(Some(Value::DateTime(self.cx.now))),
            ("NOW", Some(_)) => Node::Constant(None),
            _ => return Err(undefined(name)),
        }))
    }

    fn place(&self, name: &str) -> Option<Place> {
        let unavailable = ["CLUSTER_TIME", "JS_SCOPE", "IS_MR"].into_iter().find(|known| *known == name);
        self.local(name)
            .or_else(|| self.cx.variables.position(name).map(Place::Outer))
            .or(unavailable.map(Place::Unavailable))
    }

    fn local(&self, name: &str) -> Option<Place> {
        let mut locals = self.locals;
        while let Some(scope) = locals {
            if let Some(index) = scope.names.iter().rposition(|known| *known == name) {
                return Some(Place::Local { level: scope.level, index });
            }
            locals = scope.outer;
        }
        None
    }

    fn is_known(&self, place: Place) -> bool {
        match place {
            Place::Outer(position) => !matches!(self.cx.variables.binding(position), Some(Binding::Later) | None),
            Place::Local { .. } | Place::Unavailable(_) => false,
        }
    }

    fn document(&self, doc: RawDoc<'_>) -> Result<Expr> {
        let mut fields = doc.iter();
        match fields.next() {
            Some((name, value)) if name.starts_with('$') => {
                if fields.next().is_some() {
                    let message = format!("an expression has exactly one operator, but another field follows {name}");
                    return Err(Error::mongo(15983, message));
                }
                self.operator(name, value)
            }
            _ => self.literal(doc),
        }
    }

    /// A document whose fields are expressions.
    fn literal(&self, doc: RawDoc<'_>) -> Result<Expr> {
        let mut fields: Vec<(Box<str>, Expr)> = Vec::new();
        for (name, value) in doc.iter() {
            check_field_name(name)?;
            if fields.iter().any(|(known, _)| **known == *name) {
                return Err(Error::mongo(16406, format!("the field '{name}' stands twice in a document")));
            }
            fields.push((name.into(), self.expr(value)?));
        }
        Ok(self.fold(Expr(Node::Document(fields.into())), false))
    }

    /// Reads a call of the operator with this name.
    pub fn operator(&self, name: &str, value: ValueRef<'_>) -> Result<Expr> {
        let op = table::find(name).filter(|op| u64::from(op.since) <= self.cx.limits.language_release_max);
        let op = op.ok_or_else(|| unknown_operator(name))?;
        match op.shape {
            Shape::Fixed(count) => self.positional(op, value, count, count),
            Shape::Between(min, max) => self.positional(op, value, min, max),
            Shape::Any => self.positional(op, value, 0, usize::MAX),
            Shape::Named(named) => self.named(op, value, named),
            Shape::Own(read) => read(op, value, self),
        }
    }

    /// Reads a call with arguments by position.
    pub fn positional(&self, op: &'static Op, value: ValueRef<'_>, min: usize, max: usize) -> Result<Expr> {
        let args = match value {
            ValueRef::Array(array) => array.iter().map(|item| self.expr(item)).collect::<Result<Vec<_>>>()?,
            single => vec![self.expr(single)?],
        };
        let count = args.len();
        if (min..=max).contains(&count) {
            return Ok(self.call(Call::new(op, args)));
        }
        let name = op.name;
        Err(match min == max {
            true => Error::mongo(16020, format!("{name} takes exactly {min} arguments, but {count} were given")),
            false => Error::mongo(
                28667,
                format!("{name} takes at least {min} and at most {max} arguments, but {count} were given"),
            ),
        })
    }

    /// Reads a call with named arguments, which stand in the call in the order of `named`.
    pub fn named(&self, op: &'static Op, value: ValueRef<'_>, named: &Named) -> Result<Expr> {
        Ok(self.call(self.named_call(op, value, named)?))
    }

    /// As [`Reading::named`], before it is folded.
    pub fn named_call(&self, op: &'static Op, value: ValueRef<'_>, named: &Named) -> Result<Call> {
        let doc = self.arguments(op, value, named)?;
        let read = |(name, _): &(&str, Option<i32>)| match doc.get(name) {
            Some(value) => self.expr(value),
            None => Ok(Expr(Node::Absent)),
        };
        let args = named.names.iter().map(read).collect::<Result<Vec<_>>>()?;
        Ok(Call::new(op, args))
    }

    /// Checks the names of a document of named arguments.
    pub fn arguments<'v>(&self, op: &Op, value: ValueRef<'v>, named: &Named) -> Result<RawDoc<'v>> {
        let name = op.name;
        let doc = value.as_doc().ok_or_else(|| {
            let message = format!("{name} takes a document of named arguments, but got {}", value.kind().name());
            Error::mongo(named.not_document, message)
        })?;
        for (given, _) in doc.iter() {
            if !named.names.iter().any(|(known, _)| *known == given) {
                return Err(Error::mongo(named.unknown, format!("{name} knows no argument '{given}'")));
            }
        }
        for (known, missing) in named.names {
            if let Some(number) = missing.filter(|_| doc.get(known).is_none()) {
                return Err(Error::mongo(number, format!("{name} needs the argument '{known}'")));
            }
        }
        Ok(doc)
    }

    /// Calls `read` with these names bound to variables, and the level to evaluate them at.
    pub fn within<T>(&self, names: &[&str], read: impl FnOnce(&Reading<'_>, u32) -> Result<T>) -> Result<T> {
        let level = self.locals.map_or(0, |locals| locals.level) + 1;
        let locals = Locals { outer: self.locals, level, names };
        read(&Reading { cx: self.cx, locals: Some(&locals), late: self.late }, level)
    }

    /// Notes a fault that is raised once all has been read.
    pub fn note(&self, fault: Error) {
        self.late.note(fault);
    }

    /// A call, regrouped as its operator allows and folded if its arguments are known.
    pub fn call(&self, call: Call) -> Expr {
        let op = call.op;
        let call = match op.algebra {
            Algebra::Fixed => call,
            algebra => self.regroup(algebra, call),
        };
        let expr = Expr(Node::Call(Box::new(call)));
        if op.pure { self.fold(expr, false) } else { expr }
    }

    fn regroup(&self, algebra: Algebra, call: Call) -> Call {
        let (op, detail) = (call.op, call.detail);
        let mut args = Vec::new();
        for arg in call.into_args() {
            match arg.0 {
                Node::Call(inner) if std::ptr::eq(inner.op, op) => args.extend(inner.into_args()),
                _ => args.push(arg),
            }
        }
        match algebra {
            Algebra::Fixed => {}
            Algebra::Associative => args = self.join_neighbours(op, args),
            Algebra::Commutative => args = self.join_all(op, args),
            Algebra::All => absorb(&mut args, false),
            Algebra::Any => absorb(&mut args, true),
        }
        Call::new(op, args).detailed(detail)
    }

    fn join_neighbours(&self, op: &'static Op, args: Vec<Expr>) -> Vec<Expr> {
        let mut joined: Vec<Expr> = Vec::new();
        for arg in args {
            match joined.pop_if(|last| last.as_constant().is_some() && arg.as_constant().is_some()) {
                Some(last) => joined.push(self.fold(Expr(Node::Call(Box::new(Call::new(op, vec![last, arg])))), false)),
                None => joined.push(arg),
            }
        }
        joined
    }

    fn join_all(&self, op: &'static Op, args: Vec<Expr>) -> Vec<Expr> {
        let (constants, mut rest): (Vec<Expr>, Vec<Expr>) =
            args.into_iter().partition(|arg| arg.as_constant().is_some());
        match constants.len() {
            0 | 1 => rest.extend(constants),
            _ => rest.push(self.fold(Expr(Node::Call(Box::new(Call::new(op, constants)))), false)),
        }
        rest
    }

    /// Computes an expression now if all it depends on is known. A fault is noted for later.
    fn fold(&self, expr: Expr, known: bool) -> Expr {
        if !known && !expr.parts_are_constant() {
            return expr;
        }
        let value = expr.compute(&Env { root: RawDoc::empty(), frame: None, cx: self.cx });
        match value.map(super::Computed::into_value) {
            Ok(value) => Expr::constant(value),
            Err(fault) => {
                self.late.note(fault);
                expr
            }
        }
    }
}

impl Expr {
    fn parts_are_constant(&self) -> bool {
        let constant = |expr: &Expr| matches!(expr.0, Node::Constant(_) | Node::Absent);
        match &self.0 {
            Node::Array(items) => items.iter().all(constant),
            Node::Document(fields) => fields.iter().all(|(_, expr)| constant(expr)),
            Node::Call(call) => call.args().iter().all(constant),
            Node::Constant(_) => true,
            _ => false,
        }
    }
}

/// Lets a constant that decides stand alone; removes those that do not.
fn absorb(args: &mut Vec<Expr>, deciding: bool) {
    let truth = |arg: &Expr| arg.as_constant().map(|value| value.as_ref().is_some_and(|value| truth(value.as_ref())));
    if let Some(decides) = args.iter().position(|arg| truth(arg) == Some(deciding)) {
        let decides = args.swap_remove(decides);
        args.clear();
        args.push(decides);
        return;
    }
    args.retain(|arg| truth(arg).is_none());
}

/// Refuses names that a field of a computed document cannot have.
pub(crate) fn check_field_name(name: &str) -> Result<()> {
    match name.as_bytes() {
        [] => Err(Error::mongo(40352, "a field of a computed document needs a name")),
        [b'$', ..] => {
            Err(Error::mongo(16410, format!("the field name '{name}' must not start with '$'; use $setField for it")))
        }
        bytes if bytes.contains(&b'.') => {
            Err(Error::mongo(16412, format!("the field name '{name}' must not contain a dot; use $setField for it")))
        }
        _ => Ok(()),
    }
}

fn check_variable(name: &str) -> Result<()> {
    let fault = |what: &str| Err(Error::mongo(FAILED_TO_PARSE, format!("the variable name '{name}' {what}")));
    match name.as_bytes() {
        [] => fault("is empty; name a variable after $$"),
        [b'a'..=b'z' | b'A'..=b'Z' | 0x80.., rest @ ..] if rest.iter().copied().all(is_name_byte) => Ok(()),
        [b'a'..=b'z' | b'A'..=b'Z' | 0x80.., ..] => fault("holds a character that no variable's name may hold"),
        _ => fault("starts with a character that no variable's name starts with"),
    }
}

fn undefined(name: &str) -> Error {
    Error::mongo(17276, format!("the variable '{name}' is not defined here"))
}

fn unknown_operator(name: &str) -> Error {
    Error::mongo(168, format!("'{name}' is not an expression operator")).with_code(Code::InvalidOperator)
}
