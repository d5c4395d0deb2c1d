//! Every verb and flag in one place. What they do is in `command`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::failure::{Failure, Result};

/// A document database server for mini programs and cloud functions, driven by the official CloudBase SDKs.
#[derive(Debug, Parser)]
#[command(name = "waferdb", version, max_term_width = 110, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    pub place: Place,
    #[command(subcommand)]
    pub verb: Verb,
}

const AFTER_HELP: &str = "\
Every flag is also a variable (WAFERDB_LISTEN for --listen) and a line in waferdb.conf (listen = 0.0.0.0:8787);
a flag goes before a variable, a variable before the file.

Exit codes: 0 done, 1 refused or a fault found, 2 could not run.";

/// Which server, or which data folder.
#[derive(Clone, Debug, Args)]
pub struct Place {
    /// Data folder [default: ./wafer-data]
    #[arg(long, global = true, env = "WAFERDB_DATA", value_name = "DIR", hide_env = true)]
    pub data: Option<PathBuf>,
    /// Address of a running server; without it the one that serves the data folder, or the folder itself
    #[arg(long, global = true, env = "WAFERDB_SERVER", value_name = "URL", hide_env = true)]
    pub server: Option<String>,
    /// Token of an administrator; without it the one that the first start left in the data folder
    #[arg(long, global = true, env = "WAFERDB_ADMIN_TOKEN", value_name = "TOKEN", hide_env = true)]
    pub admin_token: Option<String>,
    /// Answer in JSON, for programs
    #[arg(long, global = true, env = "WAFERDB_JSON", hide_env = true)]
    pub json: bool,
}

impl Place {
    /// The data folder.
    pub fn folder(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| PathBuf::from("wafer-data"))
    }
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Serve: every face on one port
    Serve(Serve),
    /// Environments: each a database of its own with its own keys
    #[command(subcommand)]
    Env(EnvVerb),
    /// Key pairs (secretId and secretKey) of an environment
    #[command(subcommand)]
    Key(KeyVerb),
    /// Users of an environment, and how they sign in
    #[command(subcommand)]
    User(UserVerb),
    /// Collections of an environment
    #[command(subcommand)]
    Collection(CollectionVerb),
    /// What clients may do with the documents of a collection
    #[command(subcommand)]
    Rules(RulesVerb),
    /// Indexes of a collection
    #[command(subcommand)]
    Index(IndexVerb),
    /// Import and export of documents
    #[command(subcommand)]
    Data(DataVerb),
    /// Cloud functions
    #[command(name = "fn", subcommand)]
    Function(FunctionVerb),
    /// What happens to documents, from the change log
    Changes(Changes),
    /// Check the store: checksums, and index entries against documents
    Doctor,
}

#[derive(Clone, Debug, Args)]
pub struct Serve {
    /// Host and port to listen on
    #[arg(long, env = "WAFERDB_LISTEN", default_value = "127.0.0.1:8787", value_name = "HOST:PORT", hide_env = true)]
    pub listen: String,
    /// Keep nothing on disk
    #[arg(long, env = "WAFERDB_MEMORY", hide_env = true)]
    pub memory: bool,
    /// Address under which callers reach this server through a proxy; may be given several times
    #[arg(long, env = "WAFERDB_PUBLIC_URL", value_name = "URL", value_delimiter = ',', hide_env = true)]
    pub public_url: Vec<String>,
    /// Web origin whose pages may call; may be given several times [default: all]
    #[arg(long, env = "WAFERDB_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',', hide_env = true)]
    pub allow_origin: Vec<String>,
    /// When a write counts as done
    #[arg(long, env = "WAFERDB_DURABILITY", value_enum, default_value = "synced", hide_env = true)]
    pub durability: Durability,
    /// Memory for documents in use, in MiB; as much again goes to the storage engine
    #[arg(long, env = "WAFERDB_CACHE_MB", default_value_t = 64, value_name = "MIB", hide_env = true)]
    pub cache_mb: usize,
    /// Most connections at once
    #[arg(long, env = "WAFERDB_CONNECTIONS_MAX", default_value_t = 10_000, value_name = "COUNT", hide_env = true)]
    pub connections_max: usize,
    /// What is logged: error, warn, info, debug, or a filter such as `server=debug`
    #[arg(long, env = "WAFERDB_LOG", default_value = "info", value_name = "FILTER", hide_env = true)]
    pub log: String,
    /// File with settings [default: ./waferdb.conf where there is one]
    #[arg(long, env = "WAFERDB_CONFIG", value_name = "FILE", hide_env = true)]
    pub config: Option<PathBuf>,
    /// Open the store although writes that were answered are missing at its end; what is lost is printed
    #[arg(long, env = "WAFERDB_ACCEPT_LOSS", hide_env = true)]
    pub accept_loss: bool,
    /// Run cloud functions even where they cannot be shut in: they can then read and change what the server can
    #[arg(long, env = "WAFERDB_FUNCTIONS_UNCONFINED", hide_env = true)]
    pub functions_unconfined: bool,
    /// Make this environment where it does not exist
    #[arg(long, env = "WAFERDB_INIT_ENV", value_name = "NAME", hide_env = true)]
    pub init_env: Option<String>,
    /// Make this key pair in it where it does not exist
    #[arg(long, env = "WAFERDB_INIT_SECRET_ID", value_name = "ID", requires = "init_secret_key", hide_env = true)]
    pub init_secret_id: Option<String>,
    /// The secret of that key pair
    #[arg(long, env = "WAFERDB_INIT_SECRET_KEY", value_name = "SECRET", hide_env = true)]
    pub init_secret_key: Option<String>,
    /// Let this token administrate
    #[arg(long, env = "WAFERDB_INIT_ADMIN_TOKEN", value_name = "TOKEN", hide_env = true)]
    pub init_admin_token: Option<String>,
}

/// When a write counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Durability {
    /// When the disk has it: it survives power loss
    Synced,
    /// When the operating system has it: it survives a crash of the server, not of the machine
    Buffered,
}

#[derive(Debug, Subcommand)]
pub enum EnvVerb {
    /// Make an environment
    Create {
        /// Small letters, digits, `-` and `_`, at most 40
        name: String,
    },
    /// List the environments with their counts
    List,
    /// Drop an environment with everything in it
    Drop {
        name: String,
        #[command(flatten)]
        sure: Sure,
    },
    /// Show or set what an environment may use
    Limits {
        name: String,
        /// `name=value`; `name=` goes back to the default
        #[arg(value_name = "KEY=VALUE")]
        changes: Vec<String>,
    },
}

#[derive(Clone, Copy, Debug, Args)]
pub struct Sure {
    /// Yes, really
    #[arg(long, action = ArgAction::SetTrue)]
    pub yes: bool,
}

/// The environment that a verb is about.
#[derive(Clone, Debug, Args)]
pub struct InEnv {
    /// Name of the environment
    #[arg(long, env = "WAFERDB_ENV", value_name = "NAME", hide_env = true)]
    pub env: String,
}

/// The collection that a verb is about.
#[derive(Clone, Debug, Args)]
pub struct InCollection {
    #[command(flatten)]
    pub within: InEnv,
    /// Name of the collection
    #[arg(long, short, value_name = "NAME")]
    pub collection: String,
}

#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// Make a key pair; its secret is shown once
    Create {
        #[command(flatten)]
        within: InEnv,
        /// Your own words, to know it by
        #[arg(long, default_value = "")]
        note: String,
    },
    /// List the key pairs, without their secrets
    List {
        /// Only those of this environment
        #[arg(long, env = "WAFERDB_ENV", value_name = "NAME", hide_env = true)]
        env: Option<String>,
    },
    /// Make a new key pair; the old one goes on for a while
    Rotate {
        /// The old one's secretId
        id: String,
        /// How long the old one goes on
        #[arg(long, default_value_t = 24, value_name = "HOURS")]
        grace_hours: u32,
    },
    /// End a key pair now
    Revoke {
        /// Its secretId
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum UserVerb {
    /// Make a user
    Create {
        #[command(flatten)]
        within: InEnv,
        /// The name to sign in with
        #[arg(long, requires = "password")]
        username: Option<String>,
        /// The password to sign in with, at least 8 bytes
        #[arg(long)]
        password: Option<String>,
        /// The WeChat openid
        #[arg(long)]
        openid: Option<String>,
        /// The e-mail address to sign in with
        #[arg(long)]
        email: Option<String>,
        /// The phone number to sign in with, such as +8613800000000
        #[arg(long)]
        phone: Option<String>,
    },
    /// List the users, by uid
    List {
        #[command(flatten)]
        within: InEnv,
        /// Begin behind this uid
        #[arg(long, default_value = "")]
        after: String,
    },
    /// Sign a user in and show the tokens, for testing
    Token {
        #[command(flatten)]
        within: InEnv,
        /// The user's uid
        #[arg(long)]
        uid: String,
    },
    /// Make a key for `auth().createTicket`; shown once, in the form that SDKs take as `credentials`
    TicketKey {
        #[command(flatten)]
        within: InEnv,
    },
}

#[derive(Debug, Subcommand)]
pub enum CollectionVerb {
    /// Make a collection
    Create {
        #[command(flatten)]
        within: InEnv,
        name: String,
    },
    /// List the collections with their counts
    List {
        #[command(flatten)]
        within: InEnv,
    },
    /// Show a collection's counts, sizes and indexes
    Stats {
        #[command(flatten)]
        within: InEnv,
        name: String,
    },
    /// Show how a query or a pipeline is carried out, and what that takes
    Explain(Explain),
    /// Drop a collection with its documents and indexes
    Drop {
        #[command(flatten)]
        within: InEnv,
        name: String,
        #[command(flatten)]
        sure: Sure,
    },
}

#[derive(Clone, Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    pub within: InCollection,
    /// Which documents (Extended JSON)
    #[arg(long, value_name = "FILTER", conflicts_with = "pipeline")]
    pub filter: Option<String>,
    /// In which order, such as `{"due": -1}`
    #[arg(long, value_name = "ORDER", conflicts_with = "pipeline")]
    pub sort: Option<String>,
    /// How many at most
    #[arg(long, value_name = "COUNT", conflicts_with = "pipeline")]
    pub limit: Option<u64>,
    /// The stages of a pipeline, as an array (Extended JSON)
    #[arg(long, value_name = "STAGES")]
    pub pipeline: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum RulesVerb {
    /// Show the mode or the rules of a collection
    Get {
        #[command(flatten)]
        within: InCollection,
    },
    /// Set the mode or the rules of a collection; they hold from the next request on
    Set {
        #[command(flatten)]
        within: InCollection,
        /// PRIVATE, READONLY, ADMINWRITE, ADMINONLY, or a file with rules
        policy: String,
    },
    /// Read a file with rules and tell what it lets clients do, without setting it
    Check {
        /// The file
        policy: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum IndexVerb {
    /// Make an index and wait until it is built
    Create(NewIndex),
    /// List the indexes of a collection
    List {
        #[command(flatten)]
        within: InCollection,
    },
    /// Show how far the building of indexes has come
    Status {
        #[command(flatten)]
        within: InCollection,
    },
    /// Drop an index
    Drop {
        #[command(flatten)]
        within: InCollection,
        /// The index's name, as the list shows it
        name: String,
    },
}

#[derive(Clone, Debug, Args)]
pub struct NewIndex {
    #[command(flatten)]
    pub within: InCollection,
    /// Fields in their order: `name`, `due:-1`, `place:2dsphere`, `title:text`
    #[arg(required = true, value_name = "FIELD[:KIND]")]
    pub fields: Vec<String>,
    /// No two documents may have the same values
    #[arg(long)]
    pub unique: bool,
    /// Leave out documents without any of the fields
    #[arg(long)]
    pub sparse: bool,
    /// Only documents that match this filter (Extended JSON)
    #[arg(long, value_name = "FILTER")]
    pub partial: Option<String>,
    /// Remove documents so many seconds after the date in the field
    #[arg(long, value_name = "SECONDS")]
    pub expire_after: Option<u64>,
    /// How much a field counts in a text index, such as `title=10`; others count 1
    #[arg(long, value_name = "FIELD=WEIGHT")]
    pub weight: Vec<String>,
    /// Language of texts that name none, in a text index
    #[arg(long, value_name = "NAME")]
    pub language: Option<String>,
    /// Field by which documents name their language, in a text index
    #[arg(long, value_name = "FIELD")]
    pub language_field: Option<String>,
    /// A name [default: made from the fields]
    #[arg(long)]
    pub name: Option<String>,
    /// Return at once; the index is built in the background
    #[arg(long)]
    pub no_wait: bool,
}

#[derive(Debug, Subcommand)]
pub enum DataVerb {
    /// Take in a file of documents
    Import(Import),
    /// Write documents into a file
    Export(Export),
}

#[derive(Clone, Debug, Args)]
pub struct Import {
    #[command(flatten)]
    pub within: InCollection,
    /// The file; `-` for standard input
    pub file: PathBuf,
    /// Its format [default: by the file's ending, else JSON Lines]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// What happens with a document whose id exists
    #[arg(long, value_enum, default_value = "insert")]
    pub mode: Mode,
    /// Stop at the first record that cannot be taken
    #[arg(long)]
    pub stop_on_error: bool,
}

#[derive(Debug, Subcommand)]
pub enum FunctionVerb {
    /// Deploy a folder; packages of its package.json are installed by the server unless node_modules lies in it
    Deploy(Deploy),
    /// List the functions
    List {
        #[command(flatten)]
        within: InEnv,
    },
    /// Call a function and show its result
    Call {
        #[command(flatten)]
        within: InEnv,
        name: String,
        /// The event, as JSON
        #[arg(default_value = "{}")]
        event: String,
    },
    /// Show what functions printed and how their calls ended, since the server started
    Logs {
        #[command(flatten)]
        within: InEnv,
        /// Of this function only
        name: Option<String>,
        /// Of this request only
        #[arg(long, value_name = "ID")]
        request: Option<String>,
        /// The newest so many entries
        #[arg(long, default_value_t = 100, value_name = "COUNT")]
        limit: usize,
    },
    /// Delete a function with its code
    Delete {
        #[command(flatten)]
        within: InEnv,
        name: String,
        #[command(flatten)]
        sure: Sure,
    },
}

#[derive(Clone, Debug, Args)]
pub struct Deploy {
    #[command(flatten)]
    pub within: InEnv,
    /// The folder with index.js
    pub folder: PathBuf,
    /// The function's name [default: the folder's]
    #[arg(long)]
    pub name: Option<String>,
    /// File and export that are called
    #[arg(long, default_value = "index.main", value_name = "FILE.EXPORT")]
    pub handler: String,
    /// Seconds that a call may take
    #[arg(long, default_value_t = 20, value_name = "SECONDS")]
    pub timeout: u32,
    /// Memory of one process
    #[arg(long, default_value_t = 256, value_name = "MIB")]
    pub memory: u32,
    /// Calls at once, each in a process of its own
    #[arg(long, default_value_t = 10, value_name = "COUNT")]
    pub concurrency: u32,
    /// A variable of the function; may be given several times
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub variables: Vec<String>,
}

#[derive(Clone, Debug, Args)]
pub struct Changes {
    #[command(flatten)]
    pub within: InEnv,
    /// Changes of this collection only
    #[arg(long, short, value_name = "NAME")]
    pub collection: Option<String>,
    /// Go on after this change, by the token that came with it [default: what happens from now on]
    #[arg(long, value_name = "TOKEN")]
    pub from: Option<String>,
    /// Wait for more instead of ending with the newest change
    #[arg(long, short)]
    pub follow: bool,
}

#[derive(Clone, Debug, Args)]
pub struct Export {
    #[command(flatten)]
    pub within: InCollection,
    /// The file; `-` for standard output
    #[arg(default_value = "-")]
    pub file: PathBuf,
    /// Its format [default: by the file's ending, else JSON Lines]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Only documents that match this filter (Extended JSON)
    #[arg(long, value_name = "FILTER")]
    pub query: Option<String>,
    /// Only these fields, separated by commas; CSV needs them
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub fields: Vec<String>,
    /// Write every number with its type, so that nothing is lost
    #[arg(long)]
    pub canonical: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object after the other
    Jsonl,
    /// Comma-separated values with the names in the first row
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// It cannot be taken
    Insert,
    /// The document is replaced
    Upsert,
}

/// Reads the command line, with the settings file as defaults.
///
/// # Errors
/// Where the settings file cannot be used. A wrong command line ends the process with a message and 2.
pub fn read() -> Result<Cli> {
    read_from(std::env::args_os().collect())
}

fn read_from(words: Vec<OsString>) -> Result<Cli> {
    let mut command = Cli::command();
    if let Some((file, text)) = settings(&words)? {
        for (name, value) in parse_settings(&text).map_err(|fault| Failure::CouldNot(format!("{file}: {fault}")))? {
            command =
                with_default(command, &name, value).map_err(|fault| Failure::CouldNot(format!("{file}: {fault}")))?;
        }
    }
    let matches = command.get_matches_from(words);
    Ok(Cli::from_arg_matches(&matches).unwrap_or_else(|fault| fault.exit()))
}

/// The settings file: the one that is named, or the one that lies here.
fn settings(words: &[OsString]) -> Result<Option<(String, String)>> {
    let flag = words.iter().position(|word| word == "--config").and_then(|at| words.get(at + 1));
    let named = flag.cloned().or_else(|| std::env::var_os("WAFERDB_CONFIG"));
    let file = PathBuf::from(named.clone().unwrap_or_else(|| "waferdb.conf".into()));
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(Some((file.display().to_string(), text))),
        Err(fault) if named.is_none() && fault.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(Failure::CouldNot(format!("{}: {fault}", file.display()))),
    }
}

/// `name = value`, one a line; `#` begins a remark.
fn parse_settings(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut settings = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or_else(|| format!("line {number}: expected `name = value`"))?;
        settings.push((name.trim().replace('_', "-"), value.trim().to_owned()));
    }
    Ok(settings)
}

/// Makes a setting the default of its flag, wherever the flag belongs.
fn with_default(command: clap::Command, name: &str, value: String) -> Result<clap::Command, String> {
    let id = name.replace('-', "_");
    let known = |command: &clap::Command| command.get_arguments().any(|flag| flag.get_id() == id.as_str());
    if known(&command) {
        return Ok(command.mut_arg(&id, |flag| flag.default_value(value)));
    }
    match command.find_subcommand("serve").is_some_and(known) {
        true => Ok(command.mut_subcommand("serve", |serve| serve.mut_arg(&id, |flag| flag.default_value(value)))),
        false => Err(format!("there is no setting named {name:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_place_may_stand_before_or_after_the_verb() {
        for words in ["waferdb --data d serve --listen h:1", "waferdb serve --listen h:1 --data d"] {
            let cli = Cli::try_parse_from(words.split(' ')).expect(words);
            assert_eq!(cli.place.folder(), PathBuf::from("d"));
            assert!(matches!(cli.verb, Verb::Serve(serve) if serve.listen == "h:1"));
        }
        let words = "waferdb index create --env e --collection c a due:-1 --unique";
        let cli = Cli::try_parse_from(words.split(' ')).expect(words);
        let Verb::Index(IndexVerb::Create(index)) = cli.verb else { panic!("{:?}", cli.verb) };
        assert_eq!((index.fields, index.unique), (vec!["a".to_owned(), "due:-1".to_owned()], true));
    }

    #[test]
    fn a_setting_is_a_default() {
        let settings = parse_settings("# mine\nlisten = h:2\n\ncache_mb=7\n").expect("settings");
        let mut command = Cli::command();
        for (name, value) in settings {
            command = with_default(command, &name, value).expect("known");
        }
        let matches = command.clone().try_get_matches_from(["waferdb", "serve"]).expect("parsed");
        let Verb::Serve(serve) = Cli::from_arg_matches(&matches).expect("read").verb else { panic!("serve") };
        assert_eq!((serve.listen.as_str(), serve.cache_mb), ("h:2", 7));
        let matches = command.try_get_matches_from(["waferdb", "serve", "--listen", "h:3"]).expect("parsed");
        let Verb::Serve(serve) = Cli::from_arg_matches(&matches).expect("read").verb else { panic!("serve") };
        assert_eq!(serve.listen, "h:3");
        assert!(with_default(Cli::command(), "nonsense", String::new()).is_err());
        assert!(parse_settings("nonsense").is_err());
    }
}
