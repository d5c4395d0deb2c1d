//! Collections and indexes: making, dropping, listing.

use bytes::Bytes;
use storage::{DocBuilder, ValueRef};

use crate::asked::{SYSTEM, collection};
use crate::command::{Admin, Reply};
use crate::cx::Cx;
use crate::db::{Attempt, Db, Durable, done, written};
use crate::error::{Code, Error, Result, number};
use crate::indexes;
use crate::rules::{Action, POLICY_AT_FIRST, Policy, grant};
use crate::session::Session;

/// Longest name of a collection, in bytes.
const NAME_BYTES_MAX: usize = 120;

impl Db {
    pub(crate) fn admin(&self, session: &Session, admin: &Admin) -> Attempt {
        match grant(session, Action::Manage, admin)?.ask() {
            Admin::CreateCollection { name } => self.create_collection(session, name),
            Admin::DropCollection { name } => {
                collection(&self.store.view(), session, name)?;
                waits(self.store.drop_collection(session.env, name)?)
            }
            Admin::ListCollections => self.list_collections(session),
            Admin::CreateIndex { collection, index } => self.create_index(session, collection, index),
            Admin::DropIndex { collection, name } => self.drop_index(session, collection, name),
            Admin::ListIndexes { collection: name } => {
                let coll = collection(&self.store.view(), session, name)?;
                let docs = coll.stats.docs();
                done(Reply::Rows(coll.indexes.iter().map(|index| indexes::show(index, docs)).collect()))
            }
            Admin::GetPolicy { collection: name } => {
                let coll = collection(&self.store.view(), session, name)?;
                let stored = coll.policy.as_ref().and_then(|stored| std::str::from_utf8(stored).ok());
                let mut row = DocBuilder::new();
                row.put("policy", ValueRef::String(stored.unwrap_or(POLICY_AT_FIRST)));
                done(Reply::Rows(vec![row.finish()]))
            }
            Admin::SetPolicy { collection: name, policy } => {
                collection(&self.store.view(), session, name)?;
                Policy::parse(policy)?;
                waits(self.store.set_policy(session.env, name, Some(Bytes::from(policy.clone().into_bytes())))?)
            }
        }
    }

    fn create_collection(&self, session: &Session, name: &str) -> Attempt {
        check_name(name)?;
        let catalog = self.store.view().catalog().clone();
        let count = catalog.env_by_id(session.env).map_or(0, |env| env.collections().len() as u64);
        if count >= session.limits.collections_max {
            return Err(Error::new(
                Code::CollectionLimit,
                format!(
                    "the environment holds {count} collections, at most {} are allowed",
                    session.limits.collections_max
                ),
            ));
        }
        match self.store.create_collection(session.env, name) {
            Ok(ticket) => waits(ticket),
            Err(storage::Error::Exists(_)) => {
                Err(Error { number: 48, ..Error::new(Code::CollectionExists, format!("Table exist: {name}")) })
            }
            Err(storage::Error::Gone(_)) => Err(Error::new(Code::EnvMissing, "the environment does not exist")),
            Err(error) => Err(error.into()),
        }
    }

    fn list_collections(&self, session: &Session) -> Attempt {
        let view = self.store.view();
        let Some(env) = view.catalog().env_by_id(session.env) else { return done(Reply::Rows(Vec::new())) };
        let rows = env.collections().filter(|coll| !coll.name.starts_with(SYSTEM)).map(|coll| {
            let (disk, indexes) = view.disk_bytes(coll);
            let mut row = DocBuilder::new();
            row.put("name", ValueRef::String(&coll.name));
            row.put("count", count(coll.stats.docs()));
            row.put("size", count(coll.stats.bytes()));
            row.put("diskSize", count(disk));
            row.put("indexCount", count(coll.indexes.len() as u64));
            row.put("indexSize", count(indexes.iter().map(|(_, bytes)| bytes).sum()));
            row.finish()
        });
        done(Reply::Rows(rows.collect()))
    }

    fn create_index(&self, session: &Session, name: &str, index: &storage::Doc) -> Attempt {
        let coll = collection(&self.store.view(), session, name)?;
        let spec = indexes::parse(index.raw(), &Cx::new(session, None))?;
        if let Some(same) = indexes::same_key(&coll, &spec) {
            return match indexes::is_same(same, &spec) {
                true => done(Reply::Done),
                false => Err(conflict(
                    85,
                    &format!("an index on these fields exists already under the name '{}'", same.name),
                )),
            };
        }
        if let Some(other) = indexes::text_index(&coll).filter(|_| spec.text.is_some()) {
            let message =
                format!("a collection has one text index at most, and there is '{}': drop it first", other.name);
            return Err(conflict(85, &message));
        }
        match self.store.create_index(session.env, name, &spec) {
            Ok((_, ticket)) => waits(ticket),
            Err(storage::Error::Exists(_)) => {
                Err(conflict(86, &format!("an index named '{}' exists already with other fields", spec.name)))
            }
            Err(storage::Error::TooLarge { what, bytes_max, .. }) => Err(Error {
                code: Code::BadRequest,
                ..Error::mongo(number::CANNOT_CREATE_INDEX, format!("the {what} is limited to {bytes_max}"))
            }),
            Err(error) => Err(error.into()),
        }
    }

    fn drop_index(&self, session: &Session, name: &str, index: &str) -> Attempt {
        let coll = collection(&self.store.view(), session, name)?;
        if index == "_id_" {
            return Err(Error::mongo(72, "the index on _id cannot be dropped"));
        }
        if coll.index(index).is_none() {
            let message = format!("the collection '{name}' has no index named '{index}'");
            return Err(Error { number: 27, ..Error::new(Code::IndexMissing, message) });
        }
        waits(self.store.drop_index(session.env, name, index)?)
    }
}

/// Which names a collection may have: letters of any script, digits, `_`, `-` and `.` inside.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let allowed = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.');
    let fault = match name {
        "" => "is empty",
        _ if name.len() > NAME_BYTES_MAX => "is longer than 120 bytes",
        _ if !name.chars().all(allowed) => "may hold letters, digits, '_', '-' and '.' only",
        _ if name.starts_with(['.', '-']) || name.ends_with('.') => "must begin with a letter, a digit or '_'",
        _ if name.starts_with(SYSTEM) => "must not begin with 'system.'",
        _ => return Ok(()),
    };
    Err(Error { number: 73, ..Error::new(Code::InvalidParam, format!("the collection name {name:?} {fault}")) })
}

fn conflict(number: i32, message: &str) -> Error {
    Error { number, ..Error::new(Code::IndexConflict, message) }
}

fn waits(ticket: storage::Ticket) -> Attempt {
    let mut durable = Durable::default();
    durable.add(ticket);
    written(Reply::Done, durable)
}

fn count(number: u64) -> ValueRef<'static> {
    ValueRef::Int64(i64::try_from(number).unwrap_or(i64::MAX))
}
