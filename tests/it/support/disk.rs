//! A disk rebuilt from a recorder's journal: what would be found had the power failed at a given moment.
//!
//! Files are two layers: what was synced, for certain, and what was written since, of which a power loss keeps what it likes,
//! page by page, the last sector torn. Names are the same. [`Names::Journaled`] is a file system such as ext4, where any sync
//! also makes all earlier names durable, in order; [`Names::Strict`] allows only what POSIX promises: a name is durable when
//! its folder was synced. It knows nothing of what the bytes mean.

use super::random::Random;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{BufReader, Read, Result};
use std::path::{Path, PathBuf};

const PAGE: u64 = 4096;
const SECTOR: u64 = 512;
const HEAD: usize = 25;

/// When a name becomes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    Journaled,
    Strict,
}

/// How much of what was not synced survives: percent of the pages, and whether the last of them may be torn.
#[derive(Clone, Copy, Debug)]
pub struct Survival {
    pub percent: u64,
    pub torn: bool,
}

type NodeId = usize;

#[derive(Clone, Debug)]
enum Name {
    Folder,
    File(NodeId),
}

#[derive(Clone, Debug)]
enum Edit {
    Put(String, Name),
    Remove(String),
    Move(String, String),
}

#[derive(Debug)]
enum Data {
    Write { offset: u64, bytes: Vec<u8> },
    Resize(u64),
}

#[derive(Debug, Default)]
struct Node {
    synced: Vec<u8>,
    pending: Vec<Data>,
}

type Tree = BTreeMap<String, Name>;

/// The state of the disk at a moment of the journal.
pub struct Disk {
    names: Names,
    nodes: Vec<Node>,
    live: Tree,
    durable: Tree,
    pending: Vec<Edit>,
    inodes: HashMap<u64, NodeId>,
    journal: BufReader<fs::File>,
    moment: u64,
}

impl Disk {
    /// `baseline` is what the folder held when recording began; all of it is durable.
    pub fn new(baseline: &Path, journal: &Path, names: Names) -> Result<Disk> {
        let mut disk = Disk {
            names,
            nodes: Vec::new(),
            live: Tree::new(),
            durable: Tree::new(),
            pending: Vec::new(),
            inodes: HashMap::new(),
            journal: BufReader::new(fs::File::open(journal)?),
            moment: 0,
        };
        disk.load(baseline, "")?;
        disk.durable = disk.live.clone();
        Ok(disk)
    }

    fn load(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                self.live.insert(name.clone(), Name::Folder);
                self.load(&entry.path(), &format!("{name}/"))?;
            } else {
                self.nodes.push(Node { synced: fs::read(entry.path())?, pending: Vec::new() });
                self.live.insert(name, Name::File(self.nodes.len() - 1));
            }
        }
        Ok(())
    }

    /// Goes on to a later moment: every record that ends at or before it has happened.
    pub fn advance(&mut self, moment: u64) -> Result<()> {
        while self.moment < moment {
            let mut head = [0; HEAD];
            if self.journal.read_exact(&mut head).is_err() {
                return Ok(()); // the last record was cut short with its process
            }
            let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
            let (rest, inode, value) = (number(1), number(9), number(17));
            let mut bytes = vec![0; rest as usize - 16];
            if self.journal.read_exact(&mut bytes).is_err() {
                return Ok(());
            }
            self.moment += 9 + rest;
            self.apply(head[0], inode, value, bytes);
        }
        Ok(())
    }

    fn apply(&mut self, kind: u8, inode: u64, value: u64, bytes: Vec<u8>) {
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        let pair = || text().split_once('\0').map(|(from, to)| (from.to_owned(), to.to_owned())).expect("two paths");
        match kind {
            b'O' => self.opened(inode, value, text()),
            b'W' => self.change(inode, Data::Write { offset: value, bytes }),
            b'T' => self.change(inode, Data::Resize(value)),
            b'S' => self.synced(inode),
            b'F' => self.inodes.get(&inode).into_iter().for_each(|node| self.nodes[*node].pending.clear()),
            b'D' => self.folder_synced(&text()),
            b'R' => {
                let (from, to) = pair();
                self.edit(Edit::Move(from, to));
            }
            b'L' => {
                let (from, to) = pair();
                if let Some(name) = self.live.get(&from).cloned() {
                    self.edit(Edit::Put(to, name));
                }
            }
            b'U' | b'X' => self.edit(Edit::Remove(text())),
            b'M' => self.edit(Edit::Put(text(), Name::Folder)),
            other => panic!("an unknown record {other}"),
        }
    }

    fn opened(&mut self, inode: u64, flags: u64, path: String) {
        const CREATED: u64 = 1;
        const EMPTIED: u64 = 2;
        if flags & CREATED != 0 || !matches!(self.live.get(&path), Some(Name::File(_))) {
            self.nodes.push(Node::default());
            self.edit(Edit::Put(path.clone(), Name::File(self.nodes.len() - 1)));
        }
        let Some(Name::File(node)) = self.live.get(&path) else { return };
        self.inodes.insert(inode, *node);
        if flags & EMPTIED != 0 {
            self.change(inode, Data::Resize(0));
        }
    }

    fn change(&mut self, inode: u64, data: Data) {
        if let Some(node) = self.inodes.get(&inode) {
            self.nodes[*node].pending.push(data);
        }
    }

    fn edit(&mut self, edit: Edit) {
        apply_edit(&mut self.live, &edit);
        self.pending.push(edit);
    }

    fn synced(&mut self, inode: u64) {
        if let Some(node) = self.inodes.get(&inode) {
            let node = &mut self.nodes[*node];
            for data in std::mem::take(&mut node.pending) {
                apply_data(&mut node.synced, &data);
            }
        }
        if self.names == Names::Journaled {
            self.settle(|_| true);
        }
    }

    fn folder_synced(&mut self, folder: &str) {
        let strict = self.names == Names::Strict;
        self.settle(|edit| !strict || edit_folders(edit).any(|touched| touched == folder));
    }

    /// Makes pending names durable, those that `is_meant` picks.
    fn settle(&mut self, is_meant: impl Fn(&Edit) -> bool) {
        let (settled, pending) = std::mem::take(&mut self.pending).into_iter().partition(|edit| is_meant(edit));
        self.pending = pending;
        let settled: Vec<Edit> = settled;
        settled.iter().for_each(|edit| apply_edit(&mut self.durable, edit));
    }

    /// Writes what survives into an empty folder.
    pub fn survive(&self, folder: &Path, survival: Survival, random: &mut Random) -> Result<()> {
        let mut tree = self.durable.clone();
        let kept = if survival.percent == 0 { 0 } else { random.below(self.pending.len() as u64 + 1) as usize };
        self.pending.iter().take(kept).for_each(|edit| apply_edit(&mut tree, edit));
        fs::create_dir_all(folder)?;
        for (path, name) in &tree {
            let target = folder.join(path);
            if !is_reachable(&tree, path) {
                continue;
            }
            match name {
                Name::Folder => fs::create_dir_all(target)?,
                Name::File(node) => fs::write(target, self.nodes[*node].survivor(survival, random))?,
            }
        }
        Ok(())
    }
}

impl Node {
    /// The synced content, and of each page written since some version of it, perhaps torn.
    fn survivor(&self, survival: Survival, random: &mut Random) -> Vec<u8> {
        let mut content = self.synced.clone();
        if survival.percent == 0 {
            return content;
        }
        let resizes_kept = random.below(self.pending.len() as u64 + 1) as usize;
        let mut first_lost: HashMap<u64, usize> = HashMap::new();
        for (at, data) in self.pending.iter().enumerate() {
            match data {
                Data::Resize(length) if at < resizes_kept => content.resize(*length as usize, 0),
                Data::Resize(_) => {}
                Data::Write { offset, bytes } => {
                    for page in offset / PAGE..=(offset + bytes.len().max(1) as u64 - 1) / PAGE {
                        // Either its newest version reached the disk, or one of the first few, or none.
                        let lost_from = *first_lost.entry(page).or_insert_with(|| match random.below(100) {
                            drawn if drawn < survival.percent => usize::MAX,
                            drawn if drawn < survival.percent + 10 => at + random.below(8) as usize,
                            _ => at,
                        });
                        let survives = at < lost_from;
                        let torn = survives && survival.torn && random.chance(10);
                        survives.then(|| put_page(&mut content, page, *offset, bytes, torn, random));
                    }
                }
            }
        }
        content
    }
}

/// Copies the part of a write that lies in one page; a torn one ends at a sector.
fn put_page(content: &mut Vec<u8>, page: u64, offset: u64, bytes: &[u8], torn: bool, random: &mut Random) {
    let page_end = (page + 1) * PAGE;
    let sectors = if torn { random.below(PAGE / SECTOR) } else { PAGE / SECTOR };
    let end = (offset + bytes.len() as u64).min(page_end).min(page * PAGE + sectors * SECTOR);
    let begin = offset.max(page * PAGE);
    if begin < end {
        let part = &bytes[(begin - offset) as usize..(end - offset) as usize];
        overwrite(content, begin as usize, part);
    }
}

fn apply_data(content: &mut Vec<u8>, data: &Data) {
    match data {
        Data::Write { offset, bytes } => overwrite(content, *offset as usize, bytes),
        Data::Resize(length) => content.resize(*length as usize, 0),
    }
}

fn overwrite(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if content.len() < at + bytes.len() {
        content.resize(at + bytes.len(), 0);
    }
    content[at..at + bytes.len()].copy_from_slice(bytes);
}

fn apply_edit(tree: &mut Tree, edit: &Edit) {
    match edit {
        Edit::Put(path, name) => {
            tree.insert(path.clone(), name.clone());
        }
        Edit::Remove(path) => {
            tree.remove(path);
        }
        Edit::Move(from, to) => {
            let inside = format!("{from}/");
            let moved: Vec<String> =
                tree.keys().filter(|path| *path == from || path.starts_with(&inside)).cloned().collect();
            for path in moved {
                let name = tree.remove(&path).expect("it was listed");
                tree.insert(format!("{to}{}", &path[from.len()..]), name);
            }
        }
    }
}

/// Does the way to a path exist? A name in a folder that was lost is lost too.
fn is_reachable(tree: &Tree, path: &str) -> bool {
    path.rsplit_once('/').is_none_or(|(parent, _)| tree.contains_key(parent) && is_reachable(tree, parent))
}

/// The folders whose listing an edit changes.
fn edit_folders(edit: &Edit) -> impl Iterator<Item = &str> {
    let folder = |path| Path::new(path).parent().and_then(Path::to_str).unwrap_or_default();
    match edit {
        Edit::Put(path, _) | Edit::Remove(path) => vec![folder(path)].into_iter(),
        Edit::Move(from, to) => vec![folder(from), folder(to)].into_iter(),
    }
}

/// A copy of a folder, for a try that must not touch the original.
pub fn copy_folder(from: &Path, to: &Path) -> Result<PathBuf> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(to.to_owned())
}
