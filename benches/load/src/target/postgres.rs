//! PostgreSQL through its own protocol: prepared statements over one jsonb column with the same indexes.

use super::{Outcome, Result};
use crate::data::Op;
use crate::reports::{HALF, Report, TOP_ROWS};
use bytes::Bytes;
use futures_util::SinkExt;
use serde_json::Value;
use std::time::Instant;
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{NoTls, Row, Statement};

const PLACE: &str = "point((doc#>>'{loc,coordinates,0}')::float8, (doc#>>'{loc,coordinates,1}')::float8)";

/// Tables and indexes, in the order in which they are made.
fn schema() -> Vec<String> {
    vec![
        "DROP TABLE IF EXISTS posts".to_owned(),
        "CREATE TABLE posts(id text PRIMARY KEY, doc jsonb NOT NULL)".to_owned(),
        "CREATE INDEX posts_category ON posts((doc->>'category'))".to_owned(),
        "CREATE INDEX posts_category_score ON posts((doc->>'category'), ((doc->>'score')::int))".to_owned(),
        "CREATE INDEX posts_tags ON posts USING gin((doc->'tags'))".to_owned(),
        format!("CREATE INDEX posts_loc ON posts USING gist({PLACE})"),
        "CREATE TABLE users(id text PRIMARY KEY, doc jsonb NOT NULL)".to_owned(),
        "CREATE TABLE articles(id text PRIMARY KEY, doc jsonb NOT NULL, words tsvector \
         GENERATED ALWAYS AS (to_tsvector('simple', doc->>'text')) STORED)"
            .to_owned(),
        "CREATE INDEX articles_words ON articles USING gin(words)".to_owned(),
    ]
}

/// Documents as lines of COPY's text format.
fn copy_lines(documents: &[Value]) -> String {
    let mut lines = String::new();
    for document in documents {
        let text = document.to_string().replace('\\', "\\\\");
        lines.push_str(&format!("{}\t{text}\n", document["_id"].as_str().unwrap_or_default()));
    }
    lines
}

/// One statement of each operation, prepared once for a connection.
pub struct Client {
    session: tokio_postgres::Client,
    statements: Option<Statements>,
}

struct Statements {
    get: Statement,
    list: Statement,
    compound: Statement,
    count: Statement,
    tags: Statement,
    near: Statement,
    insert: Statement,
    update: Statement,
    reports: Reports,
}

struct Reports {
    covered: Statement,
    uncovered: Statement,
    slice: Statement,
    join: Statement,
    top: Statement,
    words: Statement,
}

impl Client {
    pub async fn connect(address: &str) -> Result<Client> {
        let (session, connection) = tokio_postgres::connect(address, NoTls).await?;
        tokio::task::spawn_local(connection);
        Ok(Client { session, statements: None })
    }

    pub async fn prepare(&self) -> Result<()> {
        for statement in schema() {
            self.session.batch_execute(&statement).await?;
        }
        Ok(())
    }

    pub async fn load(&mut self, collection: &str, documents: &[Value]) -> Result<()> {
        let statement = format!("COPY {collection}(id, doc) FROM STDIN");
        let mut copy = std::pin::pin!(self.session.copy_in::<_, Bytes>(&statement).await?);
        copy.send(copy_lines(documents).into()).await?;
        copy.finish().await?;
        Ok(())
    }

    pub async fn run(&mut self, op: &Op) -> Result<Outcome> {
        if self.statements.is_none() {
            self.statements = Some(Statements::prepare(&self.session).await?);
        }
        let Some(statements) = &self.statements else { return Err("unprepared".into()) };
        let began = Instant::now();
        let rows = match op {
            Op::Get { id } => self.ask(&statements.get, &[id]).await?,
            Op::List { category } => self.ask(&statements.list, &[category]).await?,
            Op::Compound { category, score } => {
                let low = *score as i32;
                self.ask(&statements.compound, &[category, &low, &(low + 100)]).await?
            }
            Op::Count { category } => self.ask(&statements.count, &[category]).await?,
            Op::Tags { tag } => self.ask(&statements.tags, &[tag]).await?,
            Op::Near { longitude, latitude } => self.ask(&statements.near, &[longitude, latitude]).await?,
            Op::Insert { document } => {
                let id = document["_id"].as_str().unwrap_or_default();
                self.ask(&statements.insert, &[&id, document]).await?
            }
            Op::Update { id } => self.ask(&statements.update, &[id]).await?,
            Op::Report(report) => self.report(&statements.reports, report).await?,
        };
        let took = began.elapsed();
        let rows = match op {
            Op::Insert { .. } | Op::Update { .. } => 1,
            Op::Count { .. } => rows.first().map_or(0, |row| row.get::<_, i64>(0) as u64),
            _ => rows.len() as u64,
        };
        Ok(Outcome { rows, took })
    }

    async fn report(&self, statements: &Reports, report: &Report) -> Result<Vec<Row>> {
        match report {
            Report::Covered => self.ask(&statements.covered, &[]).await,
            Report::Uncovered => self.ask(&statements.uncovered, &[]).await,
            Report::Slice { category } => self.ask(&statements.slice, &[category, &(HALF as i32)]).await,
            Report::Join { categories } => self.ask(&statements.join, &[categories]).await,
            Report::Top => self.ask(&statements.top, &[&(TOP_ROWS as i64)]).await,
            Report::Words { words } => self.ask(&statements.words, &[&words.replace(' ', " | ")]).await,
        }
    }

    async fn ask(&self, statement: &Statement, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        let rows = self.session.query(statement, values).await?;
        for row in &rows {
            std::hint::black_box(row.get::<_, Untouched<'_>>(0));
        }
        Ok(rows)
    }
}

impl Statements {
    async fn prepare(session: &tokio_postgres::Client) -> Result<Statements> {
        let list = |condition: &str| format!("SELECT doc FROM posts WHERE {condition} LIMIT 20");
        let compound = list(
            "doc->>'category' = $1 AND (doc->>'score')::int >= $2 AND (doc->>'score')::int < $3 \
             ORDER BY (doc->>'created')::bigint DESC",
        );
        // 0.09 degrees are 10 km along a meridian, which is the larger of the two directions here.
        let near = list(&format!("{PLACE} <@ circle(point($1, $2), 0.09) ORDER BY {PLACE} <-> point($1, $2)"));
        let increment =
            "UPDATE posts SET doc = jsonb_set(doc, '{likes}', to_jsonb((doc->>'likes')::int + 1)) WHERE id = $1";
        Ok(Statements {
            get: session.prepare("SELECT doc FROM posts WHERE id = $1").await?,
            list: session.prepare(&list("doc->>'category' = $1")).await?,
            compound: session.prepare(&compound).await?,
            count: session.prepare("SELECT count(*) FROM posts WHERE doc->>'category' = $1").await?,
            tags: session.prepare(&list("doc->'tags' ? $1")).await?,
            near: session.prepare(&near).await?,
            insert: session.prepare("INSERT INTO posts(id, doc) VALUES ($1, $2)").await?,
            update: session.prepare(increment).await?,
            reports: Reports::prepare(session).await?,
        })
    }
}

impl Reports {
    async fn prepare(session: &tokio_postgres::Client) -> Result<Reports> {
        let mean = |by: &str, condition: &str| {
            format!("SELECT {by}, avg((doc->>'score')::int)::float8 FROM posts WHERE {condition} GROUP BY 1")
        };
        let slice = mean("doc#>>'{author,city}'", "doc->>'category' = $1 AND (doc->>'score')::int < $2");
        let join = "SELECT users.doc->>'level', count(*) FROM posts JOIN users ON users.id = posts.doc->>'_openid' \
                    WHERE posts.doc->>'category' = ANY($1) GROUP BY 1";
        let top = "SELECT doc FROM posts ORDER BY (doc->>'created')::bigint DESC LIMIT $1";
        let words = "SELECT doc FROM articles, to_tsquery('simple', $1) AS query WHERE words @@ query \
                     ORDER BY ts_rank(words, query) DESC LIMIT 20";
        Ok(Reports {
            covered: session.prepare(&mean("doc->>'category'", "true")).await?,
            uncovered: session.prepare(&mean("doc#>>'{author,city}'", "true")).await?,
            slice: session.prepare(&slice).await?,
            join: session.prepare(join).await?,
            top: session.prepare(top).await?,
            words: session.prepare(words).await?,
        })
    }
}

/// A value as it came, not decoded: the driver measures the server, not itself.
struct Untouched<'a>(#[expect(dead_code, reason = "held so that it is not optimised away")] &'a [u8]);

impl<'a> FromSql<'a> for Untouched<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Untouched(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
