//! The instrument itself: a program that syncs keeps its bytes, one that does not loses them. Without this, a crash test that
//! passes would prove nothing.

use crate::support::disk::{Disk, Names, Survival};
use crate::support::powerloss::{Recorder, Switch};
use crate::support::random::Random;
use std::path::Path;
use std::process::{Command, Output};

const NOTHING_UNSYNCED: Survival = Survival { percent: 0, torn: false };

struct Experiment {
    scratch: tempfile::TempDir,
    recorder: Recorder,
}

impl Experiment {
    fn new() -> Experiment {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let folder = scratch.path().join("data");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::create_dir_all(scratch.path().join("baseline")).expect("a folder");
        let recorder = Recorder::new(&folder);
        Experiment { scratch, recorder }
    }

    /// Runs a Python program under the recorder, in the recorded folder.
    fn run(&self, program: &str) -> Output {
        let folder = self.scratch.path().canonicalize().expect("a folder").join("data");
        let output = Command::new("python3")
            .args(["-c", &format!("import os\n{program}")])
            .current_dir(folder)
            .envs(self.recorder.variables())
            .output();
        output.expect("python3 runs")
    }

    /// A file's content after a power cut now.
    fn after_power_cut(&self, file: &str, names: Names, survival: Survival) -> Option<Vec<u8>> {
        let baseline = self.scratch.path().join("baseline");
        let mut disk = Disk::new(&baseline, self.recorder.journal(), names).expect("the journal reads");
        disk.advance(u64::MAX).expect("the journal reads");
        let image = self.scratch.path().join("image");
        let _ = std::fs::remove_dir_all(&image); // an earlier cut's
        disk.survive(&image, survival, &mut Random::new(7)).expect("an image");
        std::fs::read(Path::new(&image).join(file)).ok()
    }
}

const WRITE: &str = "f = os.open('f', os.O_CREAT | os.O_WRONLY); os.write(f, b'first')\n";

#[test]
fn synced_bytes_stay_and_others_go() {
    let experiment = Experiment::new();
    let output = experiment.run(&format!("{WRITE}os.fsync(f); os.write(f, b' second')"));
    assert!(output.status.success(), "{output:?}");
    assert_eq!(experiment.after_power_cut("f", Names::Journaled, NOTHING_UNSYNCED).as_deref(), Some(&b"first"[..]));
    let all = Survival { percent: 100, torn: false };
    assert_eq!(experiment.after_power_cut("f", Names::Journaled, all).as_deref(), Some(&b"first second"[..]));
}

#[test]
fn an_unsynced_file_is_gone() {
    let experiment = Experiment::new();
    experiment.run(WRITE);
    assert_eq!(experiment.after_power_cut("f", Names::Journaled, NOTHING_UNSYNCED), None);
}

#[test]
fn a_strict_disk_wants_the_folder_synced() {
    let experiment = Experiment::new();
    experiment.run(&format!("{WRITE}os.fsync(f)"));
    assert_eq!(experiment.after_power_cut("f", Names::Strict, NOTHING_UNSYNCED), None);
    experiment.run("os.fsync(os.open('.', os.O_RDONLY))");
    assert_eq!(experiment.after_power_cut("f", Names::Strict, NOTHING_UNSYNCED).as_deref(), Some(&b"first"[..]));
}

#[test]
fn a_rename_is_durable_with_its_folder() {
    let experiment = Experiment::new();
    experiment.run(&format!("{WRITE}os.fsync(f); os.fsync(os.open('.', os.O_RDONLY)); os.rename('f', 'g')"));
    assert!(experiment.after_power_cut("f", Names::Strict, NOTHING_UNSYNCED).is_some());
    assert!(experiment.after_power_cut("g", Names::Strict, NOTHING_UNSYNCED).is_none());
    experiment.run("os.fsync(os.open('.', os.O_RDONLY))");
    assert!(experiment.after_power_cut("f", Names::Strict, NOTHING_UNSYNCED).is_none());
    assert!(experiment.after_power_cut("g", Names::Strict, NOTHING_UNSYNCED).is_some());
}

#[test]
fn a_failed_sync_forgets_its_pages() {
    let experiment = Experiment::new();
    experiment.recorder.set(Switch::SyncFailsIn, 2);
    let program = format!(
        "{WRITE}os.fsync(f)\nos.write(f, b' lost')\ntry: os.fsync(f)\nexcept OSError as e: print(e.errno)\nos.write(f, b' third'); os.fsync(f)"
    );
    let output = experiment.run(&program);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "5", "{output:?}");
    let content = experiment.after_power_cut("f", Names::Journaled, NOTHING_UNSYNCED).expect("the file");
    assert_eq!(
        content, b"first\0\0\0\0\0 third",
        "the failed sync's bytes are not there, though a later sync succeeded"
    );
    assert_eq!((experiment.recorder.syncs(), experiment.recorder.failures()), (3, 1));
}

#[test]
fn a_full_disk_and_missing_descriptors_are_felt() {
    let experiment = Experiment::new();
    experiment.recorder.set(Switch::DiskFull, 2);
    let output = experiment.run("try: os.open('f', os.O_CREAT | os.O_WRONLY)\nexcept OSError as e: print(e.errno)");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "28", "{output:?}");
    experiment.recorder.set(Switch::DiskFull, 0);
    experiment.recorder.set(Switch::NoDescriptors, 1);
    let output = experiment.run("try: os.open('f', os.O_CREAT | os.O_WRONLY)\nexcept OSError as e: print(e.errno)");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "24", "{output:?}");
}

#[test]
fn pages_tear_and_survive_by_chance() {
    let experiment = Experiment::new();
    experiment.run("f = os.open('f', os.O_CREAT | os.O_WRONLY); os.fsync(f)\nfor i in range(64): os.write(f, bytes([i + 1]) * 4096)");
    let content =
        experiment.after_power_cut("f", Names::Journaled, Survival { percent: 50, torn: true }).expect("the file");
    let pages: Vec<&[u8]> = content.chunks(4096).collect();
    let whole = pages
        .iter()
        .filter(|page| page.len() == 4096 && page.iter().all(|byte| *byte == page[0] && *byte != 0))
        .count();
    assert!(10 < whole && whole < 55, "{whole} of 64 pages survived whole");
}
