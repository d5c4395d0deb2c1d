//! Answers the lines of the specification data: a request as JSON in, a reply as JSON out.

use query::insert::Names;
use query::{
    Aggregate, Change, Code, Command, Delete, Distinct, Error, Find, FindAndModify, Insert, Reply, Result, Update,
};
use storage::{Doc, RawDoc, Value, ValueRef};

use super::engine::Engine;
use super::json::{Json, quote, write};
use super::model::{Model, change_of};

/// The collection that every request is about.
const COLLECTION: &str = "c";
/// The instant at which every request happens: 2024-05-17T12:00:00Z.
pub const NOW: i64 = 1_715_947_200_000;

/// What answers the requests.
pub enum Judge {
    /// The naive model.
    Model,
    /// The real database.
    Engine(Box<Engine>),
}

/// One request's database: a fresh model, or a fresh environment of the real one.
enum Case<'j> {
    Model(Box<Model>),
    Engine(&'j mut Engine),
}

/// Answers one line.
pub fn answer(judge: &mut Judge, line: &str) -> String {
    let mut case = match judge {
        Judge::Model => Case::Model(Box::new(Model::new(NOW))),
        Judge::Engine(engine) => {
            engine.start();
            Case::Engine(engine)
        }
    };
    let reply = Json::parse(line).map_err(Fault::Unreadable).and_then(|request| answer_request(&mut case, &request));
    match reply {
        Ok(reply) => reply,
        Err(Fault::Unreadable(why)) => {
            let mut out = "{\"unsupported\":".to_owned();
            quote(&why, &mut out);
            out + "}"
        }
        Err(Fault::Refused(error)) => format!("{{{}}}", shown(&error)),
    }
}

enum Fault {
    Unreadable(String),
    Refused(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        match error.code {
            Code::NotSupported if error.number == 0 => Fault::Unreadable(error.message),
            _ => Fault::Refused(error),
        }
    }
}

fn shown(error: &Error) -> String {
    let mut out = format!("\"error\":{{\"code\":{},\"message\":", error.number);
    quote(&error.message, &mut out);
    out + "}"
}

impl Case<'_> {
    fn fill(&mut self, collection: &str, docs: Vec<Doc>) -> Result<()> {
        match self {
            Case::Model(model) => model.fill(collection, docs),
            Case::Engine(engine) => engine.fill(collection, docs),
        }
    }

    fn create_index(&mut self, collection: &str, index: RawDoc<'_>) -> Result<()> {
        match self {
            Case::Model(model) => model.create_index(collection, index),
            Case::Engine(engine) => engine.create_index(collection, index),
        }
    }

    fn run(&mut self, command: &Command) -> Result<Reply> {
        match self {
            Case::Model(model) => model.run(command),
            Case::Engine(engine) => {
                let asks = asks(command);
                engine.index_fields(COLLECTION, &asks.iter().map(Doc::raw).collect::<Vec<_>>());
                engine.run(command)
            }
        }
    }

    fn docs(&self, collection: &str) -> Vec<Doc> {
        match self {
            Case::Model(model) => model.docs(collection).to_vec(),
            Case::Engine(engine) => engine.docs(collection),
        }
    }
}

/// The filter and the sort of a command.
fn asks(command: &Command) -> Vec<Doc> {
    let (filter, sort) = match command {
        Command::Find(find) | Command::Count(find) => (&find.filter, find.sort.as_ref()),
        Command::Distinct(distinct) => (&distinct.find.filter, None),
        Command::Update(update) => (&update.filter, None),
        Command::FindAndModify(modify) => (&modify.update.filter, modify.sort.as_ref()),
        Command::Delete(delete) => (&delete.filter, None),
        _ => return Vec::new(),
    };
    [Some(filter), sort].into_iter().flatten().cloned().collect()
}

fn answer_request(case: &mut Case<'_>, request: &Json) -> Result<String, Fault> {
    fill(case, request)?;
    let op = request.get("op").and_then(Json::as_str).unwrap_or_default();
    let args = Args(request.get("args").unwrap_or(&Json::Null).to_value().map_err(Fault::Unreadable)?);
    let outcome = args.command(op).and_then(|command| case.run(&command));
    let changes = !matches!(op, "find" | "count" | "distinct" | "aggregate");
    let mut out = match outcome {
        Ok(reply) => reply_text(reply)?,
        Err(error) => match Fault::from(error) {
            Fault::Refused(error) => shown(&error) + failed_stats(op),
            unreadable => return Err(unreadable),
        },
    };
    if changes {
        out.push_str(",\"after\":");
        let mut docs = case.docs(COLLECTION);
        docs.sort_by(|a, b| storage::compare(id(a), id(b)));
        rows(&docs, &mut out);
    }
    Ok(format!("{{{out}}}"))
}

fn id(doc: &Doc) -> ValueRef<'_> {
    doc.get("_id").unwrap_or(ValueRef::Null)
}

/// A write that fails as a whole still tells how much it did.
fn failed_stats(op: &str) -> &'static str {
    match op {
        "insert" => ",\"stats\":{\"inserted\":0}",
        "delete" => ",\"stats\":{\"deleted\":0}",
        _ => "",
    }
}

fn fill(case: &mut Case<'_>, request: &Json) -> Result<(), Fault> {
    case.fill(COLLECTION, docs(request.get("docs"))?)?;
    if let Some(Json::Object(collections)) = request.get("collections") {
        for (name, list) in collections {
            case.fill(name, docs(Some(list))?)?;
        }
    }
    for index in docs(request.get("indexes"))? {
        case.create_index(COLLECTION, index.raw())?;
    }
    Ok(())
}

fn docs(list: Option<&Json>) -> Result<Vec<Doc>, Fault> {
    let Some(Json::List(list)) = list else { return Ok(Vec::new()) };
    let read = |json: &Json| match json.to_value() {
        Ok(Value::Document(doc)) => Ok(doc),
        Ok(other) => Err(Fault::Unreadable(format!("{other:?} is no document"))),
        Err(why) => Err(Fault::Unreadable(why)),
    };
    list.iter().map(read).collect()
}

/// The arguments of a request, checked for their types as MongoDB's commands do.
struct Args(Value);

impl Args {
    fn get(&self, name: &str) -> Option<ValueRef<'_>> {
        self.0.as_ref().as_doc()?.get(name).filter(|value| !value.is_nullish())
    }

    fn doc(&self, name: &str) -> Result<Option<Doc>> {
        match self.get(name) {
            None => Ok(None),
            Some(ValueRef::Document(doc)) => Ok(Some(doc.to_doc())),
            Some(other) => Err(mismatch(name, "an object", other)),
        }
    }

    fn docs(&self, name: &str) -> Result<Vec<Doc>> {
        let list = match self.get(name) {
            None => return Ok(Vec::new()),
            Some(ValueRef::Array(list)) => list,
            Some(other) => return Err(mismatch(name, "an array", other)),
        };
        let read = |member: ValueRef<'_>| {
            member.as_doc().map(RawDoc::to_doc).ok_or_else(|| mismatch(name, "documents", member))
        };
        list.iter().map(read).collect()
    }

    fn truth(&self, name: &str) -> bool {
        match self.get(name) {
            Some(ValueRef::Bool(truth)) => truth,
            Some(number) => number.as_f64().is_some_and(|number| number != 0.0),
            None => false,
        }
    }

    fn count(&self, name: &str) -> Result<Option<u64>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_f64().ok_or_else(|| mismatch(name, "a number", value))?;
        match number.trunc() {
            negative if negative < 0.0 => {
                Err(Error::mongo(51024, format!("`{name}` must not be negative, found {number}")))
            }
            number => Ok(Some(number as u64)),
        }
    }

    fn find(&self) -> Result<Find> {
        if let Some(ValueRef::Null) = self.0.as_ref().as_doc().and_then(|args| args.get("filter")) {
            return Err(mismatch("filter", "an object", ValueRef::Null));
        }
        Ok(Find {
            projection: self.doc("projection")?,
            sort: self.doc("sort")?,
            skip: self.count("skip")?.unwrap_or(0),
            limit: self.count("limit")?.filter(|limit| *limit > 0),
            collation: self.doc("collation")?,
            variables: self.doc("let")?,
            hint: self.get("hint").map(ValueRef::to_value),
            ..Find::new(COLLECTION, self.doc("filter")?.unwrap_or_else(Doc::empty))
        })
    }

    /// A count may be asked for with a negative limit, which means the same as a positive one.
    fn count_limit(&self) -> Result<Option<u64>> {
        let Some(value) = self.get("limit") else { return Ok(None) };
        let number = value.as_f64().ok_or_else(|| Error::mongo(2, "`limit` of a count must be a number"))?;
        Ok(Some(number.abs().trunc() as u64).filter(|limit| *limit > 0))
    }

    fn update(&self, filter: &str, change: Change) -> Result<Update> {
        Ok(Update {
            collection: COLLECTION.to_owned(),
            filter: self.doc(filter)?.unwrap_or_else(Doc::empty),
            change,
            multi: self.truth("multi"),
            upsert: self.truth("upsert"),
            array_filters: self.docs("arrayFilters")?,
            collation: self.doc("collation")?,
            variables: match self.doc("let")? {
                Some(variables) => Some(variables),
                None => self.doc("c")?,
            },
        })
    }

    fn change(&self) -> Result<Change> {
        change_of(&self.get("update").map_or(Value::Null, ValueRef::to_value))
    }

    fn find_and_modify(&self) -> Result<FindAndModify> {
        let refuse = |message: &str| Err(Error::mongo(9, message));
        let remove = self.truth("remove");
        match (remove, self.get("update").is_some()) {
            (true, true) => return refuse("remove and update cannot both be given"),
            (false, false) => return refuse("either an update or remove must be given"),
            (true, false) if self.truth("upsert") => return refuse("remove and upsert cannot both be given"),
            (true, false) if self.truth("new") => return refuse("what is removed cannot be returned as new"),
            _ => {}
        }
        let change = if remove { Change::Operators(Doc::empty()) } else { self.change()? };
        Ok(FindAndModify {
            update: self.update("query", change)?,
            remove,
            return_new: self.truth("new"),
            sort: self.doc("sort")?,
            projection: self.doc("fields")?,
        })
    }

    fn command(&self, op: &str) -> Result<Command> {
        Ok(match op {
            "find" => Command::Find(self.find()?),
            "count" => {
                let limit = self.count_limit()?;
                let unlimited = Args(without(&self.0, "limit"));
                Command::Count(Find { limit, ..unlimited.find()? })
            }
            "distinct" => {
                let key = self.get("key").and_then(ValueRef::as_str).unwrap_or_default().to_owned();
                Command::Distinct(Distinct { key, find: self.find()? })
            }
            "aggregate" => Command::Aggregate(Aggregate {
                collection: Some(COLLECTION.to_owned()),
                pipeline: self.docs("pipeline")?,
                collation: self.doc("collation")?,
                variables: self.doc("let")?,
                explain: false,
            }),
            "insert" => {
                let ordered = self.get("ordered").is_none() || self.truth("ordered");
                let docs = self.docs("documents")?;
                Command::Insert(Insert { collection: COLLECTION.to_owned(), docs, ordered, names: Names::Any })
            }
            "update" => Command::Update(self.update("filter", self.change()?)?),
            "findAndModify" => Command::FindAndModify(self.find_and_modify()?),
            "delete" => Command::Delete(Delete {
                collection: COLLECTION.to_owned(),
                filter: self.doc("filter")?.unwrap_or_else(Doc::empty),
                multi: self.truth("multi"),
                collation: self.doc("collation")?,
                variables: self.doc("let")?,
            }),
            other => return Err(Error::new(Code::NotSupported, format!("no such operation: {other}"))),
        })
    }
}

fn without(args: &Value, name: &str) -> Value {
    let mut builder = storage::DocBuilder::new();
    let fields = args.as_ref().as_doc().map(RawDoc::elements).into_iter().flatten();
    fields.filter(|element| element.name() != name).for_each(|element| builder.put_element(element));
    Value::Document(builder.finish())
}

fn mismatch(name: &str, expected: &str, found: ValueRef<'_>) -> Error {
    Error::mongo(14, format!("`{name}` must be {expected}, found a value of type {}", found.kind().name()))
}

fn reply_text(reply: Reply) -> Result<String, Fault> {
    let mut out = String::new();
    match reply {
        Reply::Rows(docs) => {
            out.push_str("\"docs\":");
            rows(&docs, &mut out);
        }
        Reply::Total(total) => out.push_str(&format!("\"n\":{total}")),
        Reply::Values(values) => {
            out.push_str("\"values\":");
            write(ValueRef::Array(values.iter().map(Value::as_ref).collect::<storage::Array>().raw()), &mut out);
        }
        Reply::Inserted { ids, fault } => {
            out.push_str(&format!("\"stats\":{{\"inserted\":{}}}", ids.len()));
            if let Some(error) = fault {
                out.push(',');
                out.push_str(&shown(&error));
            }
        }
        Reply::Updated(updated) => out.push_str(&format!(
            "\"stats\":{{\"matched\":{},\"modified\":{},\"upserted\":{}}}",
            updated.matched,
            updated.modified,
            u8::from(updated.upserted.is_some())
        )),
        Reply::Modified { doc, updated } => {
            out.push_str("\"value\":");
            write(doc.as_ref().map_or(ValueRef::Null, |doc| ValueRef::Document(doc.raw())), &mut out);
            let n = updated.matched + u64::from(updated.upserted.is_some());
            out.push_str(&format!(",\"stats\":{{\"n\":{n}}}"));
        }
        Reply::Deleted(count) => out.push_str(&format!("\"stats\":{{\"deleted\":{count}}}")),
        Reply::Begun(_) | Reply::Done => return Err(Fault::Unreadable("no such reply".to_owned())),
    }
    Ok(out)
}

fn rows(docs: &[Doc], out: &mut String) {
    out.push('[');
    for (place, doc) in docs.iter().enumerate() {
        out.push_str(if place == 0 { "" } else { "," });
        write(ValueRef::Document(doc.raw()), out);
    }
    out.push(']');
}
