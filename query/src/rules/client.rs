//! What a client's request becomes before anything looks at it: placeholders filled in, and parts that no policy may
//! allow refused.

use storage::{Doc, DocBuilder, RawDoc, ValueRef};

use crate::command::{Change, Command, FindAndModify, Update};
use crate::error::{Code, Error, Result};
use crate::session::{Caller, Session, User};

/// The command as a client may send it; `None` for callers whose commands are taken as they are.
///
/// # Errors
/// `PermissionDenied` for what no policy can allow.
pub(crate) fn client_command(session: &Session, command: &Command) -> Result<Option<Command>> {
    if session.caller == Caller::Admin {
        return Ok(None);
    }
    let mut command = command.clone();
    let user = match &session.caller {
        Caller::User(user) => Some(user),
        Caller::Admin | Caller::Guest => None,
    };
    let collation = match &mut command {
        Command::Find(find) | Command::Count(find) => {
            fill(&mut find.filter, user);
            &find.collation
        }
        Command::Distinct(distinct) => {
            fill(&mut distinct.find.filter, user);
            &distinct.find.collation
        }
        Command::Insert(insert) => {
            insert.docs.iter_mut().for_each(|doc| fill(doc, user));
            &None
        }
        Command::Update(update) | Command::FindAndModify(FindAndModify { update, .. }) => {
            fill(&mut update.filter, user);
            check_change(update)?;
            match &mut update.change {
                Change::Operators(doc) | Change::Replacement(doc) => fill(doc, user),
                Change::Pipeline(_) => {}
            }
            &update.collation
        }
        Command::Delete(delete) => {
            fill(&mut delete.filter, user);
            &delete.collation
        }
        Command::Aggregate(aggregate) => {
            aggregate.pipeline.iter_mut().for_each(|stage| fill(stage, user));
            &aggregate.collation
        }
        _ => &None,
    };
    match collation {
        Some(_) => Err(refused("clients cannot choose how texts compare")),
        None => Ok(Some(command)),
    }
}

/// A query as a client may send it, its placeholders filled in.
pub(crate) fn client_query(session: &Session, query: &Doc) -> Doc {
    let mut query = query.clone();
    if let Caller::User(user) = &session.caller {
        fill(&mut query, Some(user));
    }
    query
}

/// What an update writes as far as rules can see it: known fields, and names of fields with values not known yet.
pub(crate) fn written_data(change: &Change) -> (Option<Doc>, Vec<String>) {
    let operators = match change {
        Change::Replacement(doc) => return (Some(doc.clone()), Vec::new()),
        Change::Pipeline(_) => return (None, Vec::new()),
        Change::Operators(operators) => operators,
    };
    let (mut known, mut unknown) = (DocBuilder::new(), Vec::new());
    for (operator, fields) in operators.raw().iter() {
        let Some(fields) = fields.as_doc() else { continue };
        for element in fields.elements() {
            let name = element.name();
            match operator == "$set" && !name.contains('.') {
                true => known.put_element(element),
                false => unknown.push(head(name).to_owned()),
            }
            if operator == "$rename" {
                unknown.extend(element.value().as_str().map(|target| head(target).to_owned()));
            }
        }
    }
    (Some(known.finish()), unknown)
}

/// The creator of a document is never a client's to change, and only one whole document can be set.
fn check_change(update: &Update) -> Result<()> {
    let touches = match &update.change {
        Change::Operators(operators) => operators.raw().iter().any(|(_, fields)| {
            fields.as_doc().is_some_and(|fields| {
                fields.iter().any(|(name, value)| is_creator(name) || value.as_str().is_some_and(is_creator))
            })
        }),
        Change::Replacement(doc) => doc.get("_openid").is_some(),
        Change::Pipeline(_) => return Err(refused("clients cannot update by a pipeline")),
    };
    if touches {
        return Err(refused("`_openid` is set by the server and cannot be changed"));
    }
    let whole = matches!(update.change, Change::Replacement(_)) && update.filter.raw().iter().all(|(n, _)| n == "_id");
    match update.upsert && !whole {
        true => Err(refused("clients insert by an update only where they set one whole document by its id")),
        false => Ok(()),
    }
}

fn is_creator(path: &str) -> bool {
    head(path) == "_openid"
}

fn head(path: &str) -> &str {
    path.split('.').next().unwrap_or(path)
}

fn refused(why: &str) -> Error {
    Error::new(Code::PermissionDenied, format!("Permission denied: {why}"))
}

/// Puts the caller's ids in the place of `{openid}` and `{uid}`.
fn fill(doc: &mut Doc, user: Option<&User>) {
    let Some(user) = user else { return };
    let holds = |name: &str| memchr::memmem::find(doc.as_bytes(), name.as_bytes()).is_some();
    if holds("{openid}") || holds("{uid}") {
        *doc = filled(doc.raw(), user);
    }
}

fn filled(doc: RawDoc<'_>, user: &User) -> Doc {
    let mut builder = DocBuilder::with_capacity(doc.as_bytes().len() + 64);
    put_all(&mut builder, doc, user);
    builder.finish()
}

fn put_all(builder: &mut DocBuilder, doc: RawDoc<'_>, user: &User) {
    for element in doc.elements() {
        let name = element.name();
        match element.value() {
            ValueRef::String("{openid}") => builder.put(name, ValueRef::String(&user.openid)),
            ValueRef::String("{uid}") => builder.put(name, ValueRef::String(&user.uid)),
            ValueRef::Document(inner) => {
                let open = builder.open_document(name);
                put_all(builder, inner, user);
                builder.close(open);
            }
            ValueRef::Array(inner) => {
                let open = builder.open_array(name);
                put_all(builder, inner.as_doc(), user);
                builder.close(open);
            }
            _ => builder.put_element(element),
        }
    }
}
