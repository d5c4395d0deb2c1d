//! What evaluation needs beside the document: the instant, the collation, the limits, the deadline.
//!
//! A `Cx` is made once per request and passed down by reference; nothing below reads a clock or a global.

use storage::Collation;

use crate::error::Result;
use crate::limits::Limits;
use crate::session::{Deadline, Session};

/// The surroundings of an evaluation.
#[derive(Clone, Copy, Debug)]
pub struct Cx<'a> {
    /// The instant of the request, in milliseconds since 1970.
    pub now: i64,
    /// How texts compare; `None` means by bytes.
    pub collation: Option<&'a Collation>,
    /// What the request may use.
    pub limits: &'a Limits,
    /// When the request must end.
    pub deadline: &'a Deadline,
}

impl<'a> Cx<'a> {
    /// The surroundings of a session's request.
    pub fn new(session: &'a Session, collation: Option<&'a Collation>) -> Cx<'a> {
        Cx { now: session.now, collation, limits: &session.limits, deadline: &session.deadline }
    }

    /// Ends the request where its time is over; called once per document or entry.
    ///
    /// # Errors
    /// `Timeout` or `Cancelled`.
    #[inline]
    pub fn tick(&self) -> Result<()> {
        self.deadline.tick()
    }
}
