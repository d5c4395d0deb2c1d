//! The gate: whether a caller may do what it asks, and under which conditions.
//!
//! Every request passes [`grant`], and only what it returns can be planned or written, so forgetting the check does
//! not compile. Server-side callers pass unconditionally; clients need a [`Permit`] that the collection's policy gives.
//! This module knows filters, never plans or stores.

mod branch;
mod client;
mod judge;
mod read;
#[cfg(test)]
mod tests;

use storage::{Doc, DocBuilder, Path, Value, ValueRef};

use crate::error::{Code, Error, Result};
use crate::filter::{CmpOp, Filter, Pred};
use crate::js::Js;
use crate::session::{Caller, Session, User};

pub(crate) use client::{client_command, client_query, written_data};
pub(crate) use judge::Lookup;
pub(crate) use read::POLICY_AT_FIRST;
pub use read::Policy;

use branch::Branch;
use judge::{Facts, Judge, Subject, texts};
use read::{RuleSet, mentions_doc};

/// What a request wants to do to documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Find, count, distinct, aggregate.
    Read,
    /// Insert.
    Create,
    /// Change documents that are there.
    Update,
    /// Remove documents.
    Delete,
    /// Collections, indexes and the like.
    Manage,
}

/// A request that passed the gate. Its field is private: only [`grant`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Granted<T>(T);

impl<T> Granted<T> {
    /// The request.
    pub fn ask(self) -> T {
        self.0
    }
}

/// Decides whether the caller may do this.
///
/// # Errors
/// `PermissionDenied`.
pub fn grant<T>(session: &Session, action: Action, ask: T) -> Result<Granted<T>> {
    match session.caller {
        Caller::Admin => Ok(Granted(ask)),
        Caller::User(_) | Caller::Guest => Err(denied(action)),
    }
}

/// As [`grant`], for a caller that may have a permit for it.
///
/// # Errors
/// `PermissionDenied`.
pub(crate) fn grant_with<T>(session: &Session, action: Action, permit: Option<&Permit>, ask: T) -> Result<Granted<T>> {
    match permit {
        Some(permit) if permit.action == action => Ok(Granted(ask)),
        _ => grant(session, action, ask),
    }
}

/// What a policy lets a client do with the documents of one collection. Only [`permit`] makes one.
#[derive(Clone, Debug)]
pub(crate) struct Permit {
    action: Action,
    narrow: Option<Filter>,
    check: Option<Check>,
}

/// What must be true of every document that is touched.
#[derive(Clone, Debug)]
struct Check {
    rule: Js,
    facts: Facts,
}

/// What a client wants to do.
pub(crate) struct Wish<'w> {
    /// Read, update or delete.
    pub(crate) action: Action,
    /// The query as it was sent.
    pub(crate) filter: &'w Filter,
    /// Names the query one document by its id, so that the rule may be asked about that document itself?
    pub(crate) one_document: bool,
    /// Did the query have alternatives? Then each may fetch its own documents.
    pub(crate) alternatives: bool,
    /// The data of an update, and the fields whose new values are not known yet.
    pub(crate) data: (Option<Doc>, Vec<String>),
}

/// Decides whether a client may do this with the documents that match.
///
/// # Errors
/// `PermissionDenied`, faults of fetching documents for the rules.
pub(crate) fn permit(policy: &Policy, session: &Session, wish: Wish<'_>, lookup: &Lookup<'_>) -> Result<Permit> {
    let action = wish.action;
    let narrow = match policy {
        Policy::Custom(rules) => return permit_by(rules, session, wish, lookup),
        Policy::ReadOnly | Policy::AdminWrite if action == Action::Read => None,
        Policy::Private | Policy::ReadOnly => Some(own(user(session).ok_or_else(|| denied(action))?)),
        Policy::AdminOnly | Policy::AdminWrite => return Err(denied(action)),
    };
    Ok(Permit { action, narrow, check: None })
}

fn permit_by(rules: &RuleSet, session: &Session, wish: Wish<'_>, lookup: &Lookup<'_>) -> Result<Permit> {
    let rule = rules.of(wish.action).ok_or_else(|| denied(wish.action))?;
    let facts = Facts { data: wish.data.0, unknown: wish.data.1, ..Facts::of(session) };
    let proven = proves(rule, &facts, wish.filter, wish.alternatives, lookup)?;
    let about_doc = mentions_doc(rule);
    match proven || (wish.one_document && about_doc) {
        true => {
            let check = about_doc.then(|| Check { rule: rule.clone(), facts });
            Ok(Permit { action: wish.action, narrow: None, check })
        }
        false => Err(denied(wish.action)),
    }
}

/// Does the rule hold for every document that the query can match?
fn proves(rule: &Js, facts: &Facts, filter: &Filter, alternatives: bool, lookup: &Lookup<'_>) -> Result<bool> {
    let Some(branches) = Branch::all(filter, alternatives) else { return Ok(false) };
    let mut got = Vec::new();
    for branch in &branches {
        let mut judge = Judge { facts, subject: Subject::Branch(branch), lookup, got: &mut got };
        if !judge.holds(rule)? {
            return Ok(false);
        }
    }
    Ok(!branches.is_empty())
}

/// A new document as the policy lets a client store it: with its creator.
///
/// # Errors
/// `PermissionDenied`, faults of fetching documents for the rules.
pub(crate) fn created(policy: &Policy, session: &Session, doc: &Doc, lookup: &Lookup<'_>) -> Result<Doc> {
    let refuse = || denied(Action::Create);
    let user = user(session);
    let named = doc.get("_openid");
    let filled = match (policy, user) {
        (Policy::AdminOnly | Policy::AdminWrite, _) => return Err(refuse()),
        (Policy::Private | Policy::ReadOnly, None) => return Err(refuse()),
        (Policy::Private | Policy::ReadOnly, Some(_)) if named.is_some() => return Err(openid_is_ours()),
        (Policy::Private | Policy::ReadOnly, Some(user)) => return Ok(with_creator(doc, &user.openid)),
        (Policy::Custom(_), Some(user)) => match named {
            Some(ValueRef::String(text)) if text == user.openid => doc.clone(),
            Some(_) => return Err(openid_is_ours()),
            None => with_creator(doc, &user.openid),
        },
        (Policy::Custom(_), None) if named.is_some() => return Err(openid_is_ours()),
        (Policy::Custom(_), None) => doc.clone(),
    };
    let Policy::Custom(rules) = policy else { return Err(refuse()) };
    let rule = rules.of(Action::Create).ok_or_else(refuse)?;
    let check = Check { rule: rule.clone(), facts: Facts { data: Some(doc.clone()), ..Facts::of(session) } };
    match check.holds(&filled, lookup)? {
        true => Ok(filled),
        false => Err(refuse()),
    }
}

/// A document with its creator at the end.
pub(crate) fn with_creator(doc: &Doc, openid: &str) -> Doc {
    let mut builder = DocBuilder::with_capacity(doc.as_bytes().len() + openid.len() + 16);
    doc.raw().elements().for_each(|element| builder.put_element(element));
    builder.put("_openid", ValueRef::String(openid));
    builder.finish()
}

impl Permit {
    /// What the query has to be narrowed by.
    pub(crate) fn narrowed(&self, filter: Filter) -> Filter {
        match &self.narrow {
            Some(narrow) => narrow.clone().and(filter),
            None => filter,
        }
    }

    /// Is there something to check on every document?
    pub(crate) const fn checks(&self) -> bool {
        self.check.is_some()
    }

    /// Checks a document that is about to be shown or changed.
    ///
    /// # Errors
    /// `PermissionDenied`, faults of fetching documents for the rules.
    pub(crate) fn verify(&self, doc: &Doc, lookup: &Lookup<'_>) -> Result<()> {
        match &self.check {
            Some(check) if !check.holds(doc, lookup)? => Err(denied(self.action)),
            _ => Ok(()),
        }
    }
}

impl Check {
    fn holds(&self, doc: &Doc, lookup: &Lookup<'_>) -> Result<bool> {
        let mut got = Vec::new();
        Judge { facts: &self.facts, subject: Subject::Doc(doc.raw()), lookup, got: &mut got }.holds(&self.rule)
    }
}

impl RuleSet {
    fn of(&self, action: Action) -> Option<&Js> {
        let rule = match action {
            Action::Read => &self.read,
            Action::Create => self.create.as_ref().map_or(&self.write, |_| &self.create),
            Action::Update => self.update.as_ref().map_or(&self.write, |_| &self.update),
            Action::Delete => self.delete.as_ref().map_or(&self.write, |_| &self.delete),
            Action::Manage => &None,
        };
        rule.as_ref().map(|rule| &rule.expr)
    }
}

impl Facts {
    fn of(session: &Session) -> Facts {
        let fields =
            |user: &User| texts(&[("uid", &user.uid), ("openid", &user.openid), ("loginType", &user.login_type)]);
        Facts { auth: user(session).map(fields), now: session.now, ..Facts::default() }
    }
}

const fn user(session: &Session) -> Option<&User> {
    match &session.caller {
        Caller::User(user) => Some(user),
        Caller::Admin | Caller::Guest => None,
    }
}

fn own(user: &User) -> Filter {
    Filter::Field(Path::new("_openid"), Pred::Cmp(CmpOp::Eq, Value::String(user.openid.clone())))
}

fn openid_is_ours() -> Error {
    Error::new(Code::PermissionDenied, "Permission denied: `_openid` is set by the server and cannot be sent")
}

/// The refusal of an action, the same whether or not there are such documents.
pub(crate) fn denied(action: Action) -> Error {
    let message = format!("Permission denied: no rule lets this caller {}", verb(action));
    Error::new(Code::PermissionDenied, message)
}

const fn verb(action: Action) -> &'static str {
    match action {
        Action::Read => "read these documents",
        Action::Create => "create documents here",
        Action::Update => "update these documents",
        Action::Delete => "delete these documents",
        Action::Manage => "manage collections",
    }
}
