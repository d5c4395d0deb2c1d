//! What the verbs do, one family a file.

mod changes;
mod collection;
mod data;
mod doctor;
mod env;
pub mod folder;
mod function;
mod index;
mod key;
mod rules;
mod serve;
mod user;

use crate::cli::{Cli, Sure, Verb};
use crate::client::Target;
use crate::failure::{Failure, Result};

/// Does what was asked.
///
/// # Errors
/// `Refused` or `CouldNot`.
pub fn run(cli: Cli) -> Result<()> {
    let place = cli.place;
    match cli.verb {
        Verb::Serve(serve) => serve::run(&place, serve),
        Verb::Env(verb) => env::run(&Target::find(&place)?, verb, place.json),
        Verb::Key(verb) => key::run(&Target::find(&place)?, verb, place.json),
        Verb::User(verb) => user::run(&Target::find(&place)?, verb, place.json),
        Verb::Collection(verb) => collection::run(&Target::find(&place)?, verb, place.json),
        Verb::Rules(verb) => rules::run(&Target::find(&place)?, verb, place.json),
        Verb::Index(verb) => index::run(&Target::find(&place)?, verb, place.json),
        Verb::Data(verb) => data::run(&Target::find(&place)?, verb, place.json),
        Verb::Function(verb) => function::run(&Target::find(&place)?, verb, place.json),
        Verb::Changes(changes) => changes::run(&Target::find(&place)?, &changes, place.json),
        Verb::Doctor => doctor::run(&Target::find(&place)?, place.json),
    }
}

/// Things that cannot be undone are said twice.
fn check_sure(sure: Sure, what: &str) -> Result<()> {
    match sure.yes {
        true => Ok(()),
        false => Err(Failure::refused("NOT_SURE", format!("{what} cannot be undone; say so with --yes"))),
    }
}
