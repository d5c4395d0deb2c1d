//! The servers under measurement: how each is set up, started, filled and reached.

use crate::data::{self, DOCUMENTS, Kind};
use crate::process::Process;
use crate::reports;
use crate::target::{self, Result, Target, credentials};
use serde_json::Value;
use std::cell::Cell;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Servers run here, the driver on the next core.
pub const SERVER_CORE: usize = 0;
const READY_WITHIN: Duration = Duration::from_secs(60);
const ADMIN_TOKEN: &str = "bench-admin-token";
/// Watching is measured with ten thousand.
const CONNECTIONS_MAX: &str = "20000";

/// Programs that are measured; one that is absent is left out.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    pub waferdb: Option<PathBuf>,
    pub mongod: Option<PathBuf>,
    pub postgres: Option<PathBuf>,
    pub pocketbase: Option<PathBuf>,
}

/// A server that is up and filled.
pub struct Server {
    pub name: &'static str,
    pub process: Process,
    pub target: Target,
    /// How long loading took.
    pub loaded_in: Duration,
    /// Number of the next document to insert, counted from the documents loaded.
    pub fresh: Rc<Cell<u64>>,
}

/// Starts and fills every server that is there.
pub async fn start_all(programs: &Programs, folder: &Path, documents: u64) -> Result<Vec<Server>> {
    let mut servers = Vec::new();
    if let Some(program) = &programs.waferdb {
        let (process, target) = start_waferdb(program, &fresh_folder(folder, "waferdb")?).await?;
        make_waferdb_indexes(program, &target).await?;
        servers.push(fill("waferdb", process, target, documents).await?);
    }
    if let Some(program) = &programs.postgres {
        let (process, target) = start_postgres(program, &fresh_folder(folder, "postgres")?).await?;
        target::prepare(&target).await?;
        servers.push(fill("postgres", process, target, documents).await?);
    }
    if let Some(program) = &programs.mongod {
        let (process, target) = start_mongod(program, &fresh_folder(folder, "mongodb")?, &[]).await?;
        target::prepare(&target).await?;
        servers.push(fill("mongodb", process, target, documents).await?);
    }
    if let Some(program) = &programs.pocketbase {
        let (process, target) = start_pocketbase(program, &fresh_folder(folder, "pocketbase")?).await?;
        servers.push(fill("pocketbase", process, target, documents).await?);
    }
    Ok(servers)
}

/// An empty folder.
pub fn fresh_folder(parent: &Path, name: &str) -> Result<PathBuf> {
    let folder = parent.join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

async fn ready(target: Target, name: &str) -> Result<Target> {
    let until = Instant::now() + READY_WITHIN;
    loop {
        match target.connect().await {
            Ok(_) => return Ok(target),
            Err(error) if until < Instant::now() => return Err(format!("{name} is not ready: {error}").into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// Starts WaferDB on a folder, new or filled before.
pub async fn start_waferdb(program: &Path, folder: &Path) -> Result<(Process, Target)> {
    let address = format!("127.0.0.1:{}", free_port()?);
    let who = credentials();
    let words = [text(program)?, "serve", "--data", text(folder)?, "--listen", &address];
    let variables = [
        ("WAFERDB_INIT_ENV", who.env.as_str()),
        ("WAFERDB_INIT_SECRET_ID", &who.secret_id),
        ("WAFERDB_INIT_SECRET_KEY", &who.secret_key),
        ("WAFERDB_INIT_ADMIN_TOKEN", ADMIN_TOKEN),
        ("WAFERDB_CONNECTIONS_MAX", CONNECTIONS_MAX),
    ];
    let process = Process::start("waferdb", folder, SERVER_CORE, &words, &variables)?;
    let target = ready(Target::Wafer { address: address.clone() }, "waferdb").await?;
    let until = Instant::now() + READY_WITHIN;
    while !target::is_open(&address).await? {
        if until < Instant::now() {
            return Err("waferdb does not open its folder".into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok((process, target))
}

/// The workload's collections and their indexes.
pub async fn make_waferdb_indexes(program: &Path, target: &Target) -> Result<()> {
    target::prepare(target).await?;
    let of_posts = [&["category"][..], &["category", "score"], &["tags"], &["loc:2dsphere"]];
    let of_posts = of_posts.map(|fields| ("posts", fields));
    let env = credentials().env;
    for (collection, fields) in of_posts.into_iter().chain([("articles", &["text:text"][..])]) {
        let words = ["index", "create", "--env", &env, "--collection", collection];
        admin(program, target, &[&words[..], fields].concat())?;
    }
    Ok(())
}

/// Has the command line do something on a server that runs.
pub fn admin(program: &Path, target: &Target, words: &[&str]) -> Result<()> {
    let Target::Wafer { address } = target else { return Err("not WaferDB".into()) };
    let url = format!("http://{address}");
    let output = Command::new(program).args(["--server", &url, "--admin-token", ADMIN_TOKEN]).args(words).output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{words:?}: {}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// Starts MongoDB with more words on its command line.
pub async fn start_mongod(program: &Path, folder: &Path, more: &[&str]) -> Result<(Process, Target)> {
    let port = free_port()?.to_string();
    let mut words = vec![
        text(program)?,
        "--dbpath",
        text(folder)?,
        "--port",
        &port,
        "--bind_ip",
        "127.0.0.1",
        "--nounixsocket",
        "--wiredTigerCacheSizeGB",
        "2",
        "--setParameter",
        "diagnosticDataCollectionEnabled=false",
    ];
    words.extend(more);
    let process = Process::start("mongod", folder, SERVER_CORE, &words, &[])?;
    let target = ready(Target::Mongo { address: format!("127.0.0.1:{port}") }, "mongod").await?;
    Ok((process, target))
}

/// A private cluster. PostgreSQL refuses to run as root, so root runs it as its own user.
async fn start_postgres(bin: &Path, folder: &Path) -> Result<(Process, Target)> {
    let as_user: &[&str] = if rustix::process::getuid().is_root() {
        Command::new("chown").args(["-R", "postgres", text(folder)?]).status()?;
        &["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    } else {
        &["env"]
    };
    let (first, rest) = as_user.split_first().ok_or("no command")?;
    let initdb = bin.join("initdb");
    let made = Command::new(first)
        .args(rest)
        .args([text(&initdb)?, "-D", text(folder)?, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"])
        .output()?;
    if !made.status.success() {
        return Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr)).into());
    }
    let port = free_port()?.to_string();
    let postgres = bin.join("postgres");
    let settings = [
        "shared_buffers=2GB",
        "effective_cache_size=8GB",
        "work_mem=32MB",
        "max_wal_size=4GB",
        "checkpoint_timeout=30min",
        "random_page_cost=1.1",
        "jit=off",
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
    ];
    let mut words = as_user.to_vec();
    words.extend([text(&postgres)?, "-D", text(folder)?, "-p", &port]);
    words.extend(settings.iter().flat_map(|setting| ["-c", setting]));
    let process = Process::start("postgres", folder, SERVER_CORE, &words, &[])?.stopped_by_interrupt();
    let address = format!("host=127.0.0.1 port={port} user=postgres");
    let target = ready(Target::Postgres { address }, "postgres").await?;
    Ok((process, target))
}

/// Starts PocketBase with its collection and a user.
pub async fn start_pocketbase(program: &Path, folder: &Path) -> Result<(Process, Target)> {
    let data = folder.join("data"); // PocketBase writes beside its data folder too
    let (superuser, password) = ("admin@example.com", "1234567890");
    let made =
        Command::new(program).args(["superuser", "create", superuser, password, "--dir", text(&data)?]).output()?;
    if !made.status.success() {
        return Err(format!("pocketbase: {}", String::from_utf8_lossy(&made.stderr)).into());
    }
    let address = format!("127.0.0.1:{}", free_port()?);
    let words = [text(program)?, "serve", "--dir", text(&data)?, "--http", &address];
    let process = Process::start("pocketbase", folder, SERVER_CORE, &words, &[])?;
    ready(Target::PocketBase { address: address.clone(), token: String::new() }, "pocketbase").await?;
    let token = target::prepare_pocketbase(&address, superuser, password).await?;
    Ok((process, Target::PocketBase { address, token }))
}

/// Loads the documents as that server's users would in bulk, indexes being there already.
async fn fill(name: &'static str, process: Process, target: Target, documents: u64) -> Result<Server> {
    let (batch, documents) = match target {
        Target::Postgres { .. } => (DOCUMENTS, documents),
        Target::PocketBase { .. } => (500, documents),
        _ => (1000, documents),
    };
    let mut client = target.connect().await?;
    let mut loaded_in = Duration::ZERO;
    for first in (0..documents).step_by(batch as usize) {
        let list: Vec<Value> = (first..documents.min(first + batch)).map(data::document).collect();
        let began = Instant::now();
        client.load("posts", &list).await.map_err(|error| format!("{name}: loading: {error}"))?;
        loaded_in += began.elapsed();
    }
    vacuum(&target, "posts")?;
    eprintln!("{name}: {documents} documents loaded in {:.1} s", loaded_in.as_secs_f64());
    Ok(Server { name, process, target, loaded_in, fresh: Rc::new(Cell::new(0)) })
}

/// Tells PostgreSQL what a table holds.
fn vacuum(target: &Target, table: &str) -> Result<()> {
    let Target::Postgres { address } = target else { return Ok(()) };
    let vacuum = Command::new("psql").args([address, "-qc", &format!("VACUUM ANALYZE {table}")]).output()?;
    match vacuum.status.success() {
        true => Ok(()),
        false => Err(format!("vacuum: {}", String::from_utf8_lossy(&vacuum.stderr)).into()),
    }
}

/// Loads the collections beside the posts that some operations need.
pub async fn fill_others(servers: &[Server], kinds: &[Kind], documents: u64) -> Result<()> {
    let users = kinds.contains(&Kind::Join).then(reports::users).unwrap_or_default();
    let articles = if kinds.contains(&Kind::Words) { documents } else { 0 };
    for server in servers.iter().filter(|server| server.name != "pocketbase") {
        let mut client = server.target.connect().await?;
        for list in users.chunks(1000) {
            client.load("users", list).await?;
        }
        for first in (0..articles).step_by(1000) {
            let list: Vec<Value> = (first..articles.min(first + 1000)).map(reports::article).collect();
            client.load("articles", &list).await?;
        }
        vacuum(&server.target, "users")?;
        vacuum(&server.target, "articles")?;
    }
    if articles > 0 {
        tokio::time::sleep(WORDS_SETTLE).await;
    }
    Ok(())
}

/// Time for indexes of words to follow what was loaded.
const WORDS_SETTLE: Duration = Duration::from_secs(10);

fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| format!("{} is not readable text", path.display()).into())
}
