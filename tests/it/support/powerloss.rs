//! The recorder that is loaded into a server under test (tests/crash/powerloss.c): compiled once a run, switched through its
//! page of shared memory, its journal read by [`super::disk`].

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The switches, by their place in the recorder's control page.
#[derive(Clone, Copy, Debug)]
pub enum Switch {
    /// The n-th sync from now fails once, and its pages are forgotten.
    SyncFailsIn = 0,
    /// 1: the system tells that no space is left. 2: writes fail too.
    DiskFull = 1,
    /// Files cannot be opened, as when descriptors ran out.
    NoDescriptors = 2,
    /// Microseconds that a sync takes.
    SyncMicros = 3,
}
const SYNCS_AT: u64 = 4;
const FAILURES_AT: u64 = 5;

/// A recorder for one run of a server on one folder.
pub struct Recorder {
    library: PathBuf,
    root: PathBuf,
    journal: PathBuf,
    control: PathBuf,
}

impl Recorder {
    /// For a folder that exists; journal and control page are put beside it.
    pub fn new(folder: &Path) -> Recorder {
        let root = folder.canonicalize().expect("the folder exists");
        let (journal, control) = (root.with_extension("journal"), root.with_extension("control"));
        let _ = fs::remove_file(&journal); // an earlier run's
        fs::write(&control, [0; 4096]).expect("a control page");
        Recorder { library: library().to_owned(), root, journal, control }
    }

    /// What a process must find in its environment to be recorded.
    pub fn variables(&self) -> [(&'static str, &Path); 4] {
        [
            ("LD_PRELOAD", &self.library),
            ("POWERLOSS_ROOT", &self.root),
            ("POWERLOSS_JOURNAL", &self.journal),
            ("POWERLOSS_CONTROL", &self.control),
        ]
    }

    pub fn journal(&self) -> &Path {
        &self.journal
    }

    /// The moment now, as a place in the journal: what has been recorded lies before it.
    pub fn moment(&self) -> u64 {
        self.clock()()
    }

    /// Tells the moment, from any thread.
    pub fn clock(&self) -> impl Fn() -> u64 + Clone + Send + Sync + use<> {
        let journal = self.journal.clone();
        move || fs::metadata(&journal).map_or(0, |metadata| metadata.len())
    }

    pub fn set(&self, switch: Switch, value: i32) {
        let page = fs::File::options().write(true).open(&self.control).expect("the control page");
        page.write_all_at(&value.to_le_bytes(), switch as u64 * 4).expect("a switch");
    }

    /// Syncs so far.
    pub fn syncs(&self) -> i32 {
        self.read(SYNCS_AT)
    }

    /// Operations refused on purpose so far.
    pub fn failures(&self) -> i32 {
        self.read(FAILURES_AT)
    }

    fn read(&self, at: u64) -> i32 {
        let mut bytes = [0; 4];
        let page = fs::File::open(&self.control).expect("the control page");
        page.read_exact_at(&mut bytes, at * 4).expect("a counter");
        i32::from_le_bytes(bytes)
    }
}

/// Compiles the recorder, once for all tests of this program.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/powerloss.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("powerloss-{}.so", std::process::id()));
        let compiler = std::env::var("CC").unwrap_or_else(|_| "gcc".to_owned());
        let status = Command::new(compiler)
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(&source)
            .arg("-ldl")
            .status();
        assert!(status.expect("a C compiler").success(), "the recorder compiles");
        library
    })
}
