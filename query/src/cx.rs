//! What evaluation needs beside the document: the instant, the collation, the limits, the deadline, the variables and
//! the source of chance.
//!
//! A `Cx` is made once per request and passed down by reference; nothing below reads a clock or a global.

use storage::Collation;

use crate::error::Result;
use crate::found::Found;
use crate::limits::Limits;
use crate::pipeline::Spill;
use crate::random::Random;
use crate::session::{Deadline, Session};
use crate::variables::Variables;

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
    /// Variables from outside the expression: the command's `let`, a stage's `let`.
    pub variables: &'a Variables,
    /// Where `$rand`, `$sampleRate` and `$sample` take their chance from.
    pub random: &'a Random,
    /// What a search found out about the document at hand.
    pub found: Option<&'a Found>,
    /// Where stages that outgrow their memory may write; without it they end with an error.
    pub spill: Option<&'a dyn Spill>,
}

impl<'a> Cx<'a> {
    /// The surroundings of a session's request, without variables.
    pub fn new(session: &'a Session, collation: Option<&'a Collation>) -> Cx<'a> {
        Cx {
            now: session.now,
            collation,
            limits: &session.limits,
            deadline: &session.deadline,
            variables: Variables::none(),
            random: &session.random,
            found: None,
            spill: None,
        }
    }

    /// The same surroundings with other variables.
    #[must_use]
    pub const fn with_variables<'b>(&self, variables: &'b Variables) -> Cx<'b>
    where
        'a: 'b,
    {
        Cx { variables, ..*self }
    }

    /// The same surroundings for a document about which a search found something out.
    #[must_use]
    pub const fn with_found<'b>(&self, found: Option<&'b Found>) -> Cx<'b>
    where
        'a: 'b,
    {
        Cx { found, ..*self }
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
