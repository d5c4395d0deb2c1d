//! Whether a rule holds: for a document at hand, or for every document that a branch of a query can match.
//!
//! Both questions go through one evaluation, so they agree. On a document, a path stands for the value there and, as
//! in queries, for each element of an array; one of them has to meet an atom. On a branch, an atom holds only if a
//! single condition of the query implies it, because on an array every condition may be met by another element.
//! What cannot be evaluated is false, whether negated or not.

use storage::{Doc, DocBuilder, RawDoc, Value, ValueRef};

use super::branch::{Branch, Rel, implied, related};
use crate::error::{Error, Result};
use crate::js::{Js, Op, list_value};

/// Most different documents that the rules may fetch for one request.
const GET_DOCS_MAX: usize = 10;

/// Fetches a document by collection and id, at the moment that the request sees.
pub(crate) type Lookup<'l> = dyn Fn(&str, &str) -> Result<Option<Doc>> + 'l;

/// What a rule is asked about.
pub(super) enum Subject<'s> {
    /// This document.
    Doc(RawDoc<'s>),
    /// Whatever matches this.
    Branch(&'s Branch),
}

/// What rules may know of a request beside the documents.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Who asks; null for nobody.
    pub(super) auth: Option<Doc>,
    /// Milliseconds since 1970.
    pub(super) now: i64,
    /// What is written.
    pub(super) data: Option<Doc>,
    /// Fields that are written with values not known before.
    pub(super) unknown: Vec<String>,
}

/// One evaluation.
pub(super) struct Judge<'j> {
    pub(super) facts: &'j Facts,
    pub(super) subject: Subject<'j>,
    pub(super) lookup: &'j Lookup<'j>,
    pub(super) got: &'j mut Vec<(String, Value)>,
}

/// What an expression stands for.
enum Term {
    Known(Value),
    /// A path in the document.
    Path(Vec<String>),
    Request,
    Data,
}

/// `Err(None)`: cannot be evaluated, so it is false.
type Eval<T> = std::result::Result<T, Option<Error>>;

impl Judge<'_> {
    /// Does the rule hold?
    ///
    /// # Errors
    /// Faults of fetching documents.
    pub(super) fn holds(&mut self, rule: &Js) -> Result<bool> {
        self.safe(rule, true)
    }

    fn safe(&mut self, expr: &Js, positive: bool) -> Result<bool> {
        match self.truth(expr, positive) {
            Ok(truth) => Ok(truth),
            Err(None) => Ok(false),
            Err(Some(error)) => Err(error),
        }
    }

    fn truth(&mut self, expr: &Js, positive: bool) -> Eval<bool> {
        match expr {
            Js::Not(inner) => self.truth(inner, !positive),
            Js::Binary(op @ (Op::And | Op::Or), left, right) => {
                let both = (*op == Op::And) == positive;
                let left = self.safe(left, positive)?;
                if left != both {
                    return Ok(left);
                }
                Ok(self.safe(right, positive)?)
            }
            Js::Binary(op, left, right) if *op != Op::Add => {
                let (left, right) = (self.term(left)?, self.term(right)?);
                let rel = Rel::of(*op).ok_or(None)?;
                self.compare(left, if positive { rel } else { rel.negated() }, right)
            }
            _ => match self.term(expr)? {
                Term::Known(value) => Ok(truthy(&value) == positive),
                Term::Path(path) => Ok(self.path_is(&path, positive)),
                Term::Request | Term::Data => Err(None),
            },
        }
    }

    fn path_is(&self, path: &[String], positive: bool) -> bool {
        match &self.subject {
            Subject::Branch(branch) => implied(&branch.conditions(&path.join(".")), Rel::Eq, &Value::Bool(positive)),
            Subject::Doc(doc) => {
                let found = candidates(*doc, path);
                found.iter().any(|value| truthy(value) == positive) || (found.is_empty() && !positive)
            }
        }
    }

    fn compare(&self, left: Term, rel: Rel, right: Term) -> Eval<bool> {
        Ok(match (left, right) {
            (Term::Known(left), Term::Known(right)) => related(&left, rel, &right),
            (Term::Path(left), Term::Path(right)) => self.paths_compare(&left, rel, &right),
            (Term::Path(path), Term::Known(value)) => self.path_compares(&path, rel, &value),
            (Term::Known(value), Term::Path(path)) => match rel {
                Rel::In => self.path_compares(&path, Rel::Eq, &value),
                Rel::Nin => self.path_lacks(&path, &value),
                _ => self.path_compares(&path, rel.flipped(), &value),
            },
            _ => return Err(None),
        })
    }

    fn path_compares(&self, path: &[String], rel: Rel, value: &Value) -> bool {
        match &self.subject {
            Subject::Branch(branch) => implied(&branch.conditions(&path.join(".")), rel, value),
            Subject::Doc(doc) => {
                let found = candidates(*doc, path);
                let lacks = found.is_empty() && matches!(rel, Rel::Ne | Rel::Nin);
                lacks || found.iter().any(|candidate| related(candidate, rel, value))
            }
        }
    }

    /// Is the value not among those of the path, nor among the elements there?
    fn path_lacks(&self, path: &[String], value: &Value) -> bool {
        match &self.subject {
            Subject::Branch(branch) => branch.excludes(&path.join("."), value),
            Subject::Doc(doc) => !candidates(*doc, path).iter().any(|found| related(found, Rel::Eq, value)),
        }
    }

    fn paths_compare(&self, left: &[String], rel: Rel, right: &[String]) -> bool {
        // No condition of a query relates two paths.
        let Subject::Doc(doc) = &self.subject else { return false };
        let right = candidates(*doc, right);
        let pairs = |a: &Value| right.iter().any(|b| related(a, rel, b));
        candidates(*doc, left).iter().any(pairs)
    }

    fn term(&mut self, expr: &Js) -> Eval<Term> {
        Ok(Term::Known(match expr {
            Js::Literal(value) => value.clone(),
            Js::List(members) => {
                let members: Eval<Vec<Value>> = members.iter().map(|member| self.known(member)).collect();
                list_value(&members?)
            }
            Js::Name(name) => return self.name(name),
            Js::Member(base, name) => return self.member(base, name),
            Js::Get(path) => self.get(path)?,
            Js::Negated(inner) => Value::Double(-self.number(inner)?),
            Js::Number(inner) => Value::Double(self.number(inner)?),
            Js::Binary(Op::Add, left, right) => added(&self.scalar(left)?, &self.scalar(right)?)?,
            Js::Not(_) | Js::Binary(..) => Value::Bool(self.truth(expr, true)?),
        }))
    }

    fn name(&self, name: &str) -> Eval<Term> {
        Ok(match name {
            "doc" => Term::Path(Vec::new()),
            "request" => Term::Request,
            "auth" => Term::Known(self.facts.auth.clone().map_or(Value::Null, Value::Document)),
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of any real date fit exactly")]
            "now" => Term::Known(Value::Double(self.facts.now as f64)),
            _ => return Err(None),
        })
    }

    fn member(&mut self, base: &Js, name: &Js) -> Eval<Term> {
        let name = text(&self.scalar(name)?).ok_or(None)?;
        match self.term(base)? {
            Term::Path(mut path) => {
                path.push(name);
                Ok(Term::Path(path))
            }
            Term::Request if name == "data" => Ok(Term::Data),
            Term::Request => Err(None),
            Term::Data if self.facts.unknown.contains(&name) => Err(None),
            Term::Data => {
                let data = self.facts.data.as_ref().ok_or(None)?;
                Ok(Term::Known(data.get(&name).map_or(Value::Undefined, ValueRef::to_value)))
            }
            Term::Known(Value::Null | Value::Undefined) if from_get(base) => Ok(Term::Known(Value::Null)),
            Term::Known(value) => Ok(Term::Known(field(&value, &name)?)),
        }
    }

    fn known(&mut self, expr: &Js) -> Eval<Value> {
        match self.term(expr)? {
            Term::Known(value) => Ok(value),
            _ => Err(None),
        }
    }

    /// The one value of an expression, where a path has exactly one.
    fn scalar(&mut self, expr: &Js) -> Eval<Value> {
        let path = match self.term(expr)? {
            Term::Known(value) => return Ok(value),
            Term::Path(path) => path,
            Term::Request | Term::Data => return Err(None),
        };
        match &self.subject {
            Subject::Branch(branch) => branch.fixed(&path.join(".")).ok_or(None),
            Subject::Doc(doc) => match candidates(*doc, &path).as_slice() {
                [value] => Ok(value.clone()),
                _ => Err(None),
            },
        }
    }

    fn number(&mut self, expr: &Js) -> Eval<f64> {
        self.scalar(expr)?.as_ref().as_f64().ok_or(None)
    }

    fn get(&mut self, path: &Js) -> Eval<Value> {
        let Value::String(path) = self.scalar(path)? else { return Err(None) };
        if let Some((_, value)) = self.got.iter().find(|(known, _)| *known == path) {
            return Ok(value.clone());
        }
        if self.got.len() >= GET_DOCS_MAX {
            return Err(None);
        }
        let mut parts = path.splitn(3, '.');
        let (Some("database"), Some(collection), Some(id)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(None);
        };
        let value = (self.lookup)(collection, id)?.map_or(Value::Null, Value::Document);
        self.got.push((path, value.clone()));
        Ok(value)
    }
}

/// A document of texts.
pub(super) fn texts(fields: &[(&str, &str)]) -> Doc {
    let mut builder = DocBuilder::new();
    fields.iter().for_each(|(name, value)| builder.put(name, ValueRef::String(value)));
    builder.finish()
}

fn from_get(expr: &Js) -> bool {
    match expr {
        Js::Get(_) => true,
        Js::Member(base, _) => from_get(base),
        _ => false,
    }
}

fn field(value: &Value, name: &str) -> Eval<Value> {
    let found = match value.as_ref() {
        ValueRef::Document(doc) => doc.get(name),
        ValueRef::Array(array) => name.parse().ok().and_then(|index| array.get(index)),
        _ => return Err(None),
    };
    Ok(found.map_or(Value::Undefined, ValueRef::to_value))
}

fn added(left: &Value, right: &Value) -> Eval<Value> {
    if let (Some(left), Some(right)) = (left.as_ref().as_f64(), right.as_ref().as_f64()) {
        return Ok(Value::Double(left + right));
    }
    Ok(Value::String(text(left).ok_or(None)? + &text(right).ok_or(None)?))
}

fn text(value: &Value) -> Option<String> {
    match value.as_ref() {
        ValueRef::String(text) => Some(text.to_owned()),
        ValueRef::ObjectId(_) => None,
        value => value.as_f64().map(|number| number.to_string()),
    }
}

fn truthy(value: &Value) -> bool {
    match value.as_ref() {
        ValueRef::Null | ValueRef::Undefined => false,
        ValueRef::Bool(truth) => truth,
        ValueRef::String(text) => !text.is_empty(),
        value => value.as_f64().is_none_or(|number| number != 0.0 && !number.is_nan()),
    }
}

/// The values that a path stands for: the value there, and the elements of an array. Missing is undefined; nothing at
/// all is left where arrays on the way hold no documents.
fn candidates(doc: RawDoc<'_>, path: &[String]) -> Vec<Value> {
    let mut found = Vec::new();
    collect(ValueRef::Document(doc), path, &mut found);
    found
}

fn collect(value: ValueRef<'_>, path: &[String], found: &mut Vec<Value>) {
    let Some((name, rest)) = path.split_first() else {
        found.push(value.to_value());
        if let ValueRef::Array(array) = value {
            found.extend(array.iter().map(ValueRef::to_value));
        }
        return;
    };
    match value {
        ValueRef::Document(doc) => match doc.get(name) {
            Some(inner) => collect(inner, rest, found),
            None => found.push(Value::Undefined),
        },
        ValueRef::Array(array) => {
            if let Some(element) = name.parse().ok().and_then(|index| array.get(index)) {
                collect(element, rest, found);
            }
            let docs = array.iter().filter(|element| matches!(element, ValueRef::Document(_)));
            docs.for_each(|element| collect(element, path, found));
        }
        _ => found.push(Value::Undefined),
    }
}
