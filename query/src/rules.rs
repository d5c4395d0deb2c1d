//! The gate: whether a caller may do what it asks, and under which conditions.
//!
//! Every request passes [`grant`], and only what it returns can be planned or written, so forgetting the check does
//! not compile. Server-side callers pass unconditionally; everybody else is refused until a policy says otherwise.
//! This module knows filters, never plans or stores.

use crate::error::{Code, Error, Result};
use crate::session::{Caller, Session};

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
        Caller::User(_) | Caller::Guest => Err(Error::new(
            Code::PermissionDenied,
            format!("Permission denied: no rule lets this caller {}", verb(action)),
        )),
    }
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
