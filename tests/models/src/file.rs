//! A strict model of a file system as far as a reader of files can tell: names, inodes that are used again,
//! open files that outlive their names, folders that refuse.

use std::collections::{BTreeMap, BTreeSet};

/// What is wrong with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing has this name.
    NotFound,
    /// The path may not be looked at or opened.
    Denied,
    /// Its links go in a circle.
    LinkLoop,
    /// The device failed.
    Broken,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    File(u64),
    Folder,
    Fifo,
    Link(String),
}

/// What stands under a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// A file, by its inode.
    File(u64),
    /// A folder.
    Folder,
    /// A FIFO.
    Fifo,
}

/// One file's inode.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inode {
    /// What it holds.
    pub bytes: Vec<u8>,
    /// When it was last written to, in epoch milliseconds.
    pub modified: i64,
    /// Names that it has.
    pub n_links: u64,
    /// Counts the files that were ever made; tells one that uses an inode again from the one before.
    pub birth: u64,
    n_open: u64,
}

/// A file system. Paths are absolute texts; only folders made by [`Disk::make_folder`] exist.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    entries: BTreeMap<String, Entry>,
    inodes: BTreeMap<u64, Inode>,
    denied: BTreeSet<String>,
    n_births: u64,
    /// The clock that files are stamped with, in epoch milliseconds.
    pub now: i64,
    /// Every call fails while this is set.
    pub is_broken: bool,
}

impl Disk {
    /// Makes a folder.
    pub fn make_folder(&mut self, path: &str) {
        self.entries.insert(path.to_owned(), Entry::Folder);
    }

    /// Makes a FIFO, in place of what is there.
    pub fn make_fifo(&mut self, path: &str) {
        self.remove(path);
        self.entries.insert(path.to_owned(), Entry::Fifo);
    }

    /// Makes a symbolic link, in place of what is there.
    pub fn make_link(&mut self, path: &str, target: &str) {
        self.remove(path);
        self.entries.insert(path.to_owned(), Entry::Link(target.to_owned()));
    }

    /// Writes at the end of a file, which is made when it is not there.
    pub fn append(&mut self, path: &str, bytes: &[u8]) {
        let number = match self.entries.get(path) {
            Some(Entry::File(number)) => *number,
            Some(Entry::Folder | Entry::Fifo | Entry::Link(_)) | None => self.create(path),
        };
        self.append_to(number, bytes);
    }

    /// Writes at the end of a file that somebody holds open, whatever its name.
    pub fn append_to(&mut self, number: u64, bytes: &[u8]) {
        let now = self.now;
        if let Some(inode) = self.inodes.get_mut(&number) {
            inode.bytes.extend_from_slice(bytes);
            inode.modified = now;
        }
    }

    /// A new file takes the lowest inode that is free, as file systems do.
    fn create(&mut self, path: &str) -> u64 {
        let number = (1..).find(|it| !self.inodes.contains_key(it)).unwrap_or(u64::MAX);
        self.n_births += 1;
        self.inodes.insert(
            number,
            Inode { n_links: 1, birth: self.n_births, modified: self.now, ..Inode::default() },
        );
        self.entries.insert(path.to_owned(), Entry::File(number));
        number
    }

    /// Cuts a file to a length.
    pub fn truncate(&mut self, path: &str, len: usize) {
        let now = self.now;
        if let Some(inode) = self.number(path).and_then(|number| self.inodes.get_mut(&number)) {
            inode.bytes.truncate(len);
            inode.modified = now;
        }
    }

    /// Renames; what has the new name loses it.
    pub fn rename(&mut self, from: &str, to: &str) {
        if let Some(entry) = self.entries.remove(from) {
            self.remove(to);
            self.entries.insert(to.to_owned(), entry);
        }
    }

    /// Takes a name away; an inode without names lives as long as it is open.
    pub fn remove(&mut self, path: &str) {
        if let Some(Entry::File(number)) = self.entries.remove(path) {
            if let Some(inode) = self.inodes.get_mut(&number) {
                inode.n_links -= 1;
            }
            self.reap(number);
        }
    }

    /// Refuses a path from now on, and all below it.
    pub fn deny(&mut self, path: &str) {
        self.denied.insert(path.to_owned());
    }

    /// No longer refuses it.
    pub fn allow(&mut self, path: &str) {
        self.denied.remove(path);
    }

    /// The inode under a path, links not followed.
    pub fn number(&self, path: &str) -> Option<u64> {
        match self.entries.get(path) {
            Some(Entry::File(number)) => Some(*number),
            Some(Entry::Folder | Entry::Fifo | Entry::Link(_)) | None => None,
        }
    }

    /// What stands under a path, links followed.
    ///
    /// # Errors
    /// The first thing that is wrong on the way.
    pub fn look(&self, path: &str) -> Result<Node, Fault> {
        let mut path = path;
        // Linux follows as many links before it calls them a loop.
        for _ in 0..40 {
            self.check_folders(path)?;
            match self.entries.get(path) {
                Some(Entry::File(number)) => return Ok(Node::File(*number)),
                Some(Entry::Folder) => return Ok(Node::Folder),
                Some(Entry::Fifo) => return Ok(Node::Fifo),
                Some(Entry::Link(target)) => path = target,
                None => return Err(Fault::NotFound),
            }
        }
        Err(Fault::LinkLoop)
    }

    fn check_folders(&self, path: &str) -> Result<(), Fault> {
        let parents = path.match_indices('/').map(|(end, _)| &path[..end]);
        // A folder that may not be entered hides what lies below it; the folder itself can still be looked
        // at.
        match parents.into_iter().any(|it| self.denied.contains(it)) {
            _ if self.is_broken => Err(Fault::Broken),
            true => Err(Fault::Denied),
            false => Ok(()),
        }
    }

    /// Opens a file; [`Disk::close`] ends it.
    ///
    /// # Errors
    /// What is wrong with the path, or that it may not be read.
    pub fn open(&mut self, path: &str) -> Result<u64, Fault> {
        let Node::File(number) = self.look(path)? else { return Err(Fault::NotFound) };
        if self.denied.contains(path) {
            return Err(Fault::Denied);
        }
        self.hold(number);
        Ok(number)
    }

    /// Holds an inode open once more.
    pub fn hold(&mut self, number: u64) {
        if let Some(inode) = self.inodes.get_mut(&number) {
            inode.n_open += 1;
        }
    }

    /// Ends what [`Disk::open`] or [`Disk::hold`] began.
    pub fn close(&mut self, number: u64) {
        if let Some(inode) = self.inodes.get_mut(&number) {
            inode.n_open -= 1;
        }
        self.reap(number);
    }

    fn reap(&mut self, number: u64) {
        if self.inodes.get(&number).is_some_and(|inode| inode.n_links == 0 && inode.n_open == 0) {
            self.inodes.remove(&number);
        }
    }

    /// An inode that has a name or is open.
    pub fn inode(&self, number: u64) -> Option<&Inode> {
        self.inodes.get(&number)
    }

    /// Everything that lies in a folder, by name.
    ///
    /// # Errors
    /// The folder is not there or refuses.
    pub fn folder(&self, folder: &str) -> Result<Vec<String>, Fault> {
        self.look(folder)?;
        if self.denied.contains(folder) {
            return Err(Fault::Denied);
        }
        let below = |path: &&String| {
            path.strip_prefix(folder).and_then(|it| it.strip_prefix('/')).is_some_and(|it| !it.contains('/'))
        };
        Ok(self.entries.keys().filter(below).cloned().collect())
    }

    /// Every path, by name.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inode_is_used_again_only_when_it_has_neither_a_name_nor_a_reader() {
        let mut disk = Disk::default();
        disk.append("/a", b"1");
        let first = disk.open("/a").unwrap();
        disk.remove("/a");
        disk.append("/a", b"2");
        assert_ne!(disk.number("/a"), Some(first));
        disk.close(first);
        disk.append("/b", b"3");
        assert_eq!(disk.number("/b"), Some(first));
        assert_ne!(disk.inode(first).unwrap().birth, 1);
    }

    #[test]
    fn a_path_is_refused_for_the_first_thing_that_is_wrong() {
        let mut disk = Disk::default();
        disk.make_folder("/d");
        disk.append("/d/a", b"1");
        disk.make_link("/d/x", "/d/y");
        disk.make_link("/d/y", "/d/x");
        disk.make_link("/d/z", "/d/a");
        assert_eq!(disk.look("/d/x"), Err(Fault::LinkLoop));
        assert_eq!(disk.look("/d/z"), disk.look("/d/a"));
        disk.deny("/d/a");
        assert_eq!((disk.look("/d/a").is_ok(), disk.open("/d/a")), (true, Err(Fault::Denied)));
        disk.deny("/d");
        assert_eq!((disk.look("/d/a"), disk.folder("/d")), (Err(Fault::Denied), Err(Fault::Denied)));
    }

    #[test]
    fn a_renamed_file_takes_the_name_and_keeps_the_inode() {
        let mut disk = Disk::default();
        disk.append("/a", b"1");
        disk.append("/b", b"2");
        let number = disk.number("/a");
        disk.rename("/a", "/b");
        assert_eq!((disk.number("/b"), disk.number("/a")), (number, None));
    }
}
