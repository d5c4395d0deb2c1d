//! What a request means: commands, filters, updates, pipelines, rules, plans.
//!
//! Reading order: `command` and `session` (what is asked, by whom), `db` (the one page that every request passes),
//! then the language (`filter`, `update`, `expr`, `pipeline`) and the road to the data (`rules`, `plan`, `exec`).
//! This crate knows no HTTP, no JSON text, no protocol's spelling, no clock and no async runtime.
#![forbid(unsafe_code)]

mod admin;
mod aggregate;
mod asked;
mod collation;
mod command;
mod cx;
mod db;
pub mod decimal;
mod distinct;
mod error;
pub mod exec;
mod expr;
pub mod filter;
mod found;
mod ids;
mod indexes;
pub mod insert;
mod js;
mod limits;
mod live;
#[cfg(test)]
mod notation;
pub mod pipeline;
pub mod plan;
pub mod project;
mod random;
pub mod reference;
mod rules;
mod session;
pub mod sort;
#[cfg(test)]
mod tests;
mod turns;
pub mod update;
mod variables;
pub mod watch;
mod write;

pub use collation::parse_collation;
pub use command::{
    Admin, Aggregate, Change, Command, Delete, Distinct, Find, FindAndModify, Insert, Reply, Update, Updated,
};
pub use cx::Cx;
pub use db::{Db, Durable, Started, Work};
pub use distinct::Distinct as DistinctValues;
pub use error::{Code, Error, Fault, Result, number};
pub use expr::{
    Computed, Expr, FORMAT_CODES as DATE_FORMAT_CODES, FieldPath, OperatorInfo, operators as expression_operators,
};
pub use filter::Filter;
pub use found::Found;
pub use ids::IdStyle;
pub use indexes::compile_partial;
pub use limits::Limits;
pub use project::Projection;
pub use random::Random;
pub use rules::Policy;
pub use session::{Caller, Deadline, Session, TransactionId, User};
pub use sort::Sort;
pub use turns::Turn;
pub use variables::{Binding, Variables, check_name as check_variable_name};

/// What documents are made of: callers of this crate need to know no storage beside it.
pub use storage::{Doc, DocBuilder, EnvId, RawDoc, Value, ValueRef, name_fault};
