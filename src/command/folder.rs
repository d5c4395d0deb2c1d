//! The data folder: opening it, making it at the first start, and the notes that lie in it for the command line.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use query::pipeline::{Spill, SpillFile};
use query::{Db, IdStyle};
use server::app::App;
use server::clock::now_ms;
use server::config::Config;
use server::tenants::seal::Seal;
use server::tenants::{NewKey, Tenants};
use storage::{Durability, Options, RocksOptions, Store};

use crate::failure::{Failure, Result};

/// Where the running server says how to reach it.
const ADDRESS_FILE: &str = "address";
/// Where the first start leaves the token it made, for the command line on this machine.
const TOKEN_FILE: &str = "admin-token";

/// How a folder is opened.
pub struct Settings {
    /// The folder; none keeps everything in memory.
    pub folder: Option<PathBuf>,
    /// When a write counts as done.
    pub durability: Durability,
    /// Memory for documents in use, and as much again for the engine, in bytes.
    pub cache_bytes: usize,
    /// Files that the engine may hold open.
    pub open_files_max: usize,
    /// Open although answered writes are missing.
    pub accept_loss: bool,
}

impl Settings {
    /// The usual settings for a folder.
    pub fn of(folder: &Path) -> Settings {
        Settings {
            folder: Some(folder.to_owned()),
            durability: Durability::Synced,
            cache_bytes: 64 << 20,
            open_files_max: 256,
            accept_loss: false,
        }
    }
}

/// Temporary files in the data folder. They have no name, so nothing of them is left after a crash.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Spill for Scratch {
    fn file(&self) -> io::Result<Box<dyn SpillFile>> {
        Ok(Box::new(tempfile::tempfile_in(&self.0)?))
    }
}

/// An open folder.
pub struct Opened {
    pub app: App,
    pub store: Store,
}

/// Opens a folder and everything that is needed to serve it.
///
/// # Errors
/// `CouldNot` with what the store says.
pub fn open(config: Config, settings: &Settings) -> Result<Opened> {
    let options = options(settings);
    let store = match &settings.folder {
        Some(folder) => Store::open(folder, options).map_err(|fault| {
            Failure::CouldNot(format!("the data folder {} cannot be opened: {fault}", folder.display()))
        })?,
        None => Store::in_memory(options)?,
    };
    let tenants = Tenants::open(store.clone(), Seal::open(settings.folder.as_deref())?)?;
    for id in tenants.unreadable_keys() {
        tracing::error!(id, "the secret of a key pair cannot be opened: secret.key is missing or another one");
    }
    let files = settings.folder.as_ref().map(|folder| folder.join("files"));
    let mut db = Db::new(store.clone(), IdStyle::Hex);
    if let Some(folder) = &settings.folder {
        db = db.with_spill(Arc::new(Scratch(folder.clone())));
    }
    let functions = settings.folder.as_ref().map(|folder| folder.join("functions"));
    let app = App::new(Config { files, functions, ..config }, db, tenants, now_ms)?;
    Ok(Opened { app, store })
}

fn options(settings: &Settings) -> Options {
    Options {
        durability: settings.durability,
        cache_bytes: settings.cache_bytes,
        rocks: RocksOptions {
            block_cache_bytes: settings.cache_bytes,
            open_files_max: i32::try_from(settings.open_files_max).unwrap_or(512),
            ..RocksOptions::default()
        },
        clock: now_ms,
        compile_partial: query::compile_partial,
        accept_loss: settings.accept_loss,
        ..Options::default()
    }
}

/// What a start is to make where it does not exist.
#[derive(Default)]
pub struct Wishes {
    pub env: Option<String>,
    pub key: Option<(String, String)>,
    pub token: Option<String>,
}

/// What a start made.
#[derive(Default)]
pub struct Made {
    pub env: Option<String>,
    pub key: Option<NewKey>,
    pub token: Option<String>,
}

/// Makes what was wished for, and on a new folder what nobody can do without.
///
/// # Errors
/// `CouldNot` for a wish that cannot be met.
pub fn prepare(app: &App, wishes: Wishes) -> Result<Made> {
    let tenants = &app.tenants;
    let now = now_ms();
    let envs = app.db.store().view().catalog().envs();
    let mut made = Made::default();
    let env = match (&wishes.env, envs.first()) {
        (Some(wish), _) => wish.clone(),
        (None, Some(first)) => first.name.clone(),
        (None, None) => format!("wafer-{}", server::chance::letters(8)?.to_lowercase()),
    };
    if tenants.env(&env).is_err() {
        tenants.create_env(&env)?;
        made.env = Some(env.clone());
    }
    match wishes.key {
        Some((id, secret)) if tenants.find_key(&id).is_none() => {
            tenants.add_key(&env, &id, &secret, "given at the start", now)?;
        }
        Some(_) => {}
        None if made.env.is_some() => made.key = Some(tenants.create_key(&env, "made at the first start", now)?),
        None => {}
    }
    match wishes.token {
        Some(token) => tenants.add_token(&token, "given at the start", now)?,
        None if !tenants.has_tokens() => made.token = Some(tenants.create_token("made at the first start", now)?),
        None => {}
    }
    Ok(made)
}

/// Notes where the server listens.
///
/// # Errors
/// `CouldNot` where the file cannot be written.
pub fn note_address(folder: &Path, url: &str) -> Result<()> {
    fs::write(folder.join(ADDRESS_FILE), format!("{url}\n")).map_err(Failure::from)
}

/// Takes the note back.
pub fn forget_address(folder: &Path) {
    let _ = fs::remove_file(folder.join(ADDRESS_FILE));
}

/// The address of the server that serves a folder, if one answers there.
pub fn served_at(folder: &Path) -> Option<String> {
    let url = fs::read_to_string(folder.join(ADDRESS_FILE)).ok()?.trim().to_owned();
    let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(2))).build();
    let agent: ureq::Agent = config.into();
    agent.get(format!("{url}/healthz")).call().is_ok().then_some(url)
}

/// Leaves a token for the command line on this machine; only the owner may read it.
///
/// # Errors
/// `CouldNot` where the file cannot be written.
pub fn leave_token(folder: &Path, token: &str) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(folder.join(TOKEN_FILE))?;
    writeln!(file, "{token}").map_err(Failure::from)
}

/// The token that a start left.
pub fn left_token(folder: &Path) -> Option<String> {
    fs::read_to_string(folder.join(TOKEN_FILE)).ok().map(|text| text.trim().to_owned())
}
