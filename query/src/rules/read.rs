//! Policies as they are stored: the name of a mode, or a rule set in JSON with comments.
//!
//! Reads text, knows no caller and no document. Faults carry line and column.

use storage::Value;

use crate::error::{Code, Error, Result};
use crate::js::{Fault, Js, Op, Reader, Token, parse};

/// The mode of a collection that nobody has given one.
pub(crate) const POLICY_AT_FIRST: &str = "PRIVATE";
/// Longest expression, in characters.
const RULE_CHARS_MAX: usize = 1024;
/// Most `get()` in one expression.
const GETS_MAX: usize = 3;
/// How deep `get()` may stand inside `get()`.
const GET_DEPTH_MAX: usize = 2;
/// The names that an expression may begin a path with.
const NAMES: &[&str] = &["auth", "doc", "request", "now"];

/// What a collection lets clients do.
#[derive(Clone, Debug)]
pub enum Policy {
    /// Everybody reads, the creator writes.
    ReadOnly,
    /// Only the creator reads and writes.
    Private,
    /// Everybody reads, clients do not write.
    AdminWrite,
    /// Clients do nothing.
    AdminOnly,
    /// What the rules say.
    Custom(Box<RuleSet>),
}

/// The rules of one collection; a key that is not there follows `write`, and refuses without that.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    pub(super) read: Option<Rule>,
    pub(super) write: Option<Rule>,
    pub(super) create: Option<Rule>,
    pub(super) update: Option<Rule>,
    pub(super) delete: Option<Rule>,
}

/// One rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) expr: Js,
    text: String,
}

impl Policy {
    /// Reads a stored policy.
    ///
    /// # Errors
    /// `InvalidParam` with line and column of what is wrong.
    pub fn parse(text: &str) -> Result<Policy> {
        Ok(match text.trim() {
            "READONLY" => Policy::ReadOnly,
            "PRIVATE" => Policy::Private,
            "ADMINWRITE" => Policy::AdminWrite,
            "ADMINONLY" => Policy::AdminOnly,
            _ => Policy::Custom(Box::new(rule_set(text).map_err(|fault| placed(text, &fault))?)),
        })
    }
}

impl Policy {
    /// What it lets clients do, one line for each of read, create, update and delete, and warnings below.
    pub fn summary(&self) -> Vec<String> {
        let plain = |read: &str, write: &str| vec![format!("read    {read}"), format!("write   {write}")];
        match self {
            Policy::ReadOnly => plain("everybody", "the creator of a document"),
            Policy::Private => plain("the creator of a document", "the creator of a document"),
            Policy::AdminWrite => plain("everybody", "no client"),
            Policy::AdminOnly => plain("no client", "no client"),
            Policy::Custom(rules) => rules.summary(),
        }
    }
}

impl RuleSet {
    fn summary(&self) -> Vec<String> {
        let or_write = |own: &'_ Option<Rule>| own.clone().or_else(|| self.write.clone());
        let lines = [
            ("read", self.read.clone()),
            ("create", or_write(&self.create)),
            ("update", or_write(&self.update)),
            ("delete", or_write(&self.delete)),
        ];
        let mut summary: Vec<String> =
            lines.iter().map(|(name, rule)| format!("{name:<8}{}", told(rule.as_ref()))).collect();
        let is_open = |rule: &Option<Rule>| rule.as_ref().is_some_and(|rule| is_true(&rule.expr));
        let open = lines.iter().filter(|(name, rule)| *name != "read" && is_open(rule));
        summary.extend(open.map(|(name, _)| format!("warning: everybody, even without signing in, may {name}")));
        summary
    }
}

fn is_true(expr: &Js) -> bool {
    matches!(expr, Js::Literal(Value::Bool(true)))
}

fn told(rule: Option<&Rule>) -> String {
    match rule {
        None => "no client".to_owned(),
        Some(rule) if is_true(&rule.expr) => "everybody".to_owned(),
        Some(rule) if matches!(rule.expr, Js::Literal(Value::Bool(false))) => "no client".to_owned(),
        Some(rule) if mentions_doc(&rule.expr) => format!("where {}", rule.text),
        Some(rule) => format!("whoever meets {}", rule.text),
    }
}

fn placed(text: &str, fault: &Fault) -> Error {
    let before = text.get(..fault.at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
    let message = format!("the rules are wrong at line {line}, column {column}: {}", fault.message);
    Error::new(Code::InvalidParam, message)
}

fn rule_set(text: &str) -> Result<RuleSet, Fault> {
    let mut reader = Reader::new(text)?;
    let mut rules = RuleSet::default();
    reader.demand("{")?;
    while !reader.skip("}")? {
        let unknown = reader.unexpected("one of \"read\", \"write\", \"create\", \"update\", \"delete\"");
        let slot = match reader.take()? {
            Token::Text(key) | Token::Word(key) => slot(&mut rules, &key).ok_or(unknown)?,
            _ => return Err(unknown),
        };
        reader.demand(":")?;
        if slot.is_some() {
            return Err(Fault { at: reader.place(), message: "this key stands there already".to_owned() });
        }
        *slot = Some(rule(&mut reader)?);
        if reader.token != Token::Sign("}") {
            reader.demand(",")?;
        }
    }
    match reader.token {
        Token::End => Ok(rules),
        _ => Err(reader.unexpected("the end")),
    }
}

fn slot<'r>(rules: &'r mut RuleSet, key: &str) -> Option<&'r mut Option<Rule>> {
    Some(match key {
        "read" => &mut rules.read,
        "write" => &mut rules.write,
        "create" => &mut rules.create,
        "update" => &mut rules.update,
        "delete" => &mut rules.delete,
        _ => return None,
    })
}

fn rule(reader: &mut Reader<'_>) -> Result<Rule, Fault> {
    let at = reader.place();
    let wanted = reader.unexpected("true, false or an expression in quotes");
    let text = match reader.take()? {
        Token::Word(word) if word == "true" || word == "false" => word,
        Token::Text(text) => text,
        _ => return Err(wanted),
    };
    let expr = expression(&text).map_err(|fault| Fault { at: at + 1 + fault.at, ..fault })?;
    Ok(Rule { expr, text })
}

fn expression(text: &str) -> Result<Js, Fault> {
    if text.chars().count() > RULE_CHARS_MAX {
        let message = format!("an expression takes at most {RULE_CHARS_MAX} characters");
        return Err(Fault { at: 0, message });
    }
    let expr = parse(text)?;
    check_names(&expr)?;
    let (gets, depth) = gets(&expr);
    if gets > GETS_MAX || depth > GET_DEPTH_MAX {
        let message = format!("an expression takes at most {GETS_MAX} get(), nested at most {GET_DEPTH_MAX} deep");
        return Err(Fault { at: 0, message });
    }
    Ok(expr)
}

fn parts(expr: &Js) -> Vec<&Js> {
    match expr {
        Js::Literal(_) | Js::Name(_) => Vec::new(),
        Js::List(members) => members.iter().collect(),
        Js::Member(a, b) | Js::Binary(_, a, b) => vec![a, b],
        Js::Get(a) | Js::Not(a) | Js::Negated(a) | Js::Number(a) => vec![a],
    }
}

fn check_names(expr: &Js) -> Result<(), Fault> {
    match expr {
        Js::Name(name) if !NAMES.contains(&name.as_str()) => {
            let message = format!("`{name}` is not known; rules know {}", NAMES.join(", "));
            Err(Fault { at: 0, message })
        }
        Js::Binary(Op::In, _, right) if matches!(**right, Js::Literal(_)) => {
            Err(Fault { at: 0, message: "the right side of `in` must be an array".to_owned() })
        }
        _ => parts(expr).into_iter().try_for_each(check_names),
    }
}

/// How many `get()` there are, and how deep they are nested.
fn gets(expr: &Js) -> (usize, usize) {
    let inner = parts(expr).into_iter().map(gets).fold((0, 0), |a, b| (a.0 + b.0, a.1.max(b.1)));
    match expr {
        Js::Get(_) => (inner.0 + 1, inner.1 + 1),
        _ => inner,
    }
}

/// Does the expression look at the document?
pub(super) fn mentions_doc(expr: &Js) -> bool {
    matches!(expr, Js::Name(name) if name == "doc") || parts(expr).into_iter().any(mentions_doc)
}
