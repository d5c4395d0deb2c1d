//! The server under kills, power cuts, failing syncs and a full disk, loaded through its gateway.

use super::ledger::Ledger;
use super::load::{self, Load};
use super::{Budget, empty_folder, scene};
use crate::support::disk::{Disk, Names, Survival, copy_folder};
use crate::support::powerloss::{Recorder, Switch};
use crate::support::random::Random;
use crate::support::server::{self, Server, doctor};
use std::path::Path;
use std::time::{Duration, Instant};

/// How soon a server must serve again after a crash.
const HEALTHY_WITHIN: Duration = Duration::from_secs(10);

/// Opens a folder again and compares it with the ledger, as of a moment of the journal (`u64::MAX`: now).
fn recovers(folder: &Path, ledger: &mut Ledger, moment: u64, what: &str) {
    let began = Instant::now();
    let server = Server::start(folder, &[]).unwrap_or_else(|error| panic!("{what}: {error}"));
    let healthy = began.elapsed();
    assert!(healthy < HEALTHY_WITHIN, "{what}: healthy only after {healthy:?}");
    let found = load::read_all(&server);
    ledger.check(&found, moment).unwrap_or_else(|fault| panic!("{what}: {fault}"));
    load::check_indexes(&server, &found).unwrap_or_else(|fault| panic!("{what}: {fault}"));
    load::write_and_read_one(&server);
    assert!(server.stop().success(), "{what}: it stops in order after recovery");
    doctor(folder).unwrap_or_else(|report| panic!("{what}: doctor: {report}"));
}

#[test]
fn kills_lose_nothing() {
    if !server::can_serve() {
        return;
    }
    let (scratch, mut random) = scene("kills");
    let folder = empty_folder(scratch.path(), "data");
    let mut ledger = Ledger::default();
    let mut budget = Budget::new();
    while budget.next(4) {
        let server = Server::start(&folder, &[]).expect("it starts");
        let load = Load::start(&server, &ledger, &mut random, || 0);
        std::thread::sleep(Duration::from_millis(200 + random.below(600)));
        server.kill();
        ledger = load.finish();
        recovers(&folder, &mut ledger, u64::MAX, &format!("kill {}", budget.rounds));
        ledger.settle();
    }
    println!("kills: {} rounds, {} operations acknowledged", budget.rounds - 1, ledger.acknowledged());
}

#[test]
fn power_cuts_lose_nothing() {
    if !server::can_serve() {
        return;
    }
    let (scratch, mut random) = scene("power cuts");
    let mut budget = Budget::new();
    let (mut cuts, mut operations) = (0, 0);
    while budget.next(2) {
        let names = if budget.is_even() { Names::Strict } else { Names::Journaled };
        operations += power_cut_round(scratch.path(), names, &mut random, &mut cuts);
    }
    println!("power cuts: {cuts} in {} rounds, {operations} operations acknowledged", budget.rounds - 1);
}

/// One run under the recorder, then several crash points out of its journal.
fn power_cut_round(scratch: &Path, names: Names, random: &mut Random, cuts: &mut u32) -> u64 {
    const CUTS: u64 = 6;
    let folder = empty_folder(scratch, "data");
    let baseline = empty_folder(scratch, "baseline");
    let recorder = Recorder::new(&folder);
    let server = Server::start(&folder, &recorder.variables()).expect("it starts");
    let load = Load::start(&server, &Ledger::default(), random, recorder.clock());
    let first = recorder.moment();
    std::thread::sleep(Duration::from_millis(1500));
    server.kill();
    let last = recorder.moment();
    let mut ledger = load.finish();
    let mut moments: Vec<u64> = (0..CUTS).map(|_| first + random.below(last - first)).collect();
    moments.push(last);
    moments.sort_unstable();
    let mut disk = Disk::new(&baseline, recorder.journal(), names).expect("the journal reads");
    for moment in moments {
        let survival = [
            Survival { percent: 0, torn: false },
            Survival { percent: 50, torn: false },
            Survival { percent: 50, torn: true },
            Survival { percent: 90, torn: true },
        ][random.below(4) as usize];
        disk.advance(moment).expect("the journal reads");
        let image = scratch.join("image");
        let _ = std::fs::remove_dir_all(&image); // the last cut's
        disk.survive(&image, survival, random).expect("an image");
        *cuts += 1;
        recovers(
            &image,
            &mut ledger.clone(),
            moment,
            &format!("power cut at {moment} of {last}, {names:?}, {survival:?}"),
        );
    }
    ledger.settle();
    ledger.acknowledged()
}

#[test]
fn nothing_is_acknowledged_after_a_failed_sync() {
    if !server::can_serve() {
        return;
    }
    let (scratch, mut random) = scene("failed syncs");
    let mut budget = Budget::new();
    while budget.next(2) {
        let folder = empty_folder(scratch.path(), "data");
        let baseline = empty_folder(scratch.path(), "baseline");
        let recorder = Recorder::new(&folder);
        let server = Server::start(&folder, &recorder.variables()).expect("it starts");
        let load = Load::start(&server, &Ledger::default(), &mut random, recorder.clock());
        recorder.set(Switch::SyncFailsIn, 1 + random.below(200) as i32);
        let failed = wait_until(|| 0 < recorder.failures(), Duration::from_secs(10));
        assert!(failed, "no sync was made at all");
        std::thread::sleep(Duration::from_millis(300));
        let last = recorder.moment();
        server.kill();
        let mut ledger = load.finish();
        let mut disk = Disk::new(&baseline, recorder.journal(), Names::Journaled).expect("the journal reads");
        disk.advance(last).expect("the journal reads");
        let image = scratch.path().join("image");
        let _ = std::fs::remove_dir_all(&image); // the last round's
        disk.survive(&image, Survival { percent: 0, torn: false }, &mut random).expect("an image");
        // Whatever was acknowledged, before or after the failure, must be on the disk that forgot the failed sync's pages.
        recovers(&image, &mut ledger, last, "a failed sync");
    }
}

#[test]
fn a_full_disk_refuses_writes_and_heals() {
    if !server::can_serve() {
        return;
    }
    let (scratch, mut random) = scene("full disk");
    let folder = empty_folder(scratch.path(), "data");
    let recorder = Recorder::new(&folder);
    let server = Server::start(&folder, &recorder.variables()).expect("it starts");
    let load = Load::start(&server, &Ledger::default(), &mut random, recorder.clock());
    std::thread::sleep(Duration::from_millis(500));
    recorder.set(Switch::DiskFull, 1);
    std::thread::sleep(Duration::from_millis(100));
    recorder.set(Switch::DiskFull, 2);
    std::thread::sleep(Duration::from_millis(500));
    load::read_all(&server); // reads go on
    let refused = load.refused();
    recorder.set(Switch::DiskFull, 0);
    let space = Instant::now();
    let healed = wait_until(|| load::try_to_write_one(&server), Duration::from_secs(5));
    println!("full disk: taken again after {:?}", space.elapsed());
    let said = load::write_one(&server);
    server.stop();
    let mut ledger = load.finish();
    assert!(0 < refused, "a write was refused while the disk was full");
    assert!(healed, "writes are taken again within 5 s of space coming back, without a restart: {said:?}");
    recovers(&folder, &mut ledger, u64::MAX, "after a full disk");
}

#[test]
fn a_crash_while_recovering_loses_nothing() {
    if !server::can_serve() {
        return;
    }
    let (scratch, mut random) = scene("crash while recovering");
    let mut budget = Budget::new();
    while budget.next(1) {
        let folder = empty_folder(scratch.path(), "data");
        let server = Server::start(&folder, &[]).expect("it starts");
        let load = Load::start(&server, &Ledger::default(), &mut random, || 0);
        std::thread::sleep(Duration::from_millis(800));
        server.kill();
        let mut ledger = load.finish();
        // Recovery itself is recorded, and the power fails at several moments of it.
        let baseline = copy_folder(&folder, &empty_folder(scratch.path(), "baseline")).expect("a copy");
        let recorder = Recorder::new(&folder);
        let server = Server::start(&folder, &recorder.variables()).expect("it recovers");
        server.kill();
        let last = recorder.moment();
        let mut moments: Vec<u64> = (0..3).map(|_| random.below(last + 1)).collect();
        moments.sort_unstable();
        let mut disk = Disk::new(&baseline, recorder.journal(), Names::Journaled).expect("the journal reads");
        for moment in moments {
            disk.advance(moment).expect("the journal reads");
            let image = scratch.path().join("image");
            let _ = std::fs::remove_dir_all(&image); // the last cut's
            disk.survive(&image, Survival { percent: 50, torn: true }, &mut random).expect("an image");
            recovers(&image, &mut ledger, u64::MAX, &format!("power cut at {moment} of {last} while recovering"));
        }
    }
}

fn wait_until(mut condition: impl FnMut() -> bool, at_most: Duration) -> bool {
    let until = Instant::now() + at_most;
    while Instant::now() < until {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    condition()
}
