//! On which file system a path lies, and whether it is one of the network, told without touching it: what
//! hangs cannot be asked.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A file system, by where it is mounted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LaneName(pub(super) PathBuf);

/// Kinds of file systems of this machine. A link may lead from them to one that hangs, which is then not
/// their fault.
const LOCAL: [&str; 10] =
    ["ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "tmpfs", "overlay", "ramfs"];

/// Where the file system of a path is mounted, as far as its text tells (links are not followed), and whether
/// it is one of this machine.
pub(super) fn mount_of(path: &Path) -> (LaneName, bool) {
    // Where the system does not tell, all is one file system.
    let mounts = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (mount, is_local) = mount_in(&mounts, &path);
    (LaneName(mount), is_local)
}

fn mount_in(mountinfo: &[u8], path: &Path) -> (PathBuf, bool) {
    let mounts = mountinfo.split(|it| *it == b'\n').filter_map(|line| {
        let mut fields = line.split(|it| *it == b' ');
        let point = unescaped(fields.nth(4)?);
        let kind = fields.skip_while(|it| *it != b"-").nth(1)?;
        path.starts_with(&point).then(|| (point, LOCAL.iter().any(|it| it.as_bytes() == kind)))
    });
    // Of two at one place the later one covers the former.
    mounts.max_by_key(|(point, _)| point.components().count()).unwrap_or_else(|| (PathBuf::from("/"), false))
}

/// The kernel writes blanks and the like as `\040`.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let code = std::str::from_utf8(tail.get(..3).unwrap_or_default())
            .ok()
            .and_then(|it| u8::from_str_radix(it, 8).ok());
        match code.filter(|_| *first == b'\\') {
            Some(code) => {
                bytes.push(code);
                rest = &tail[3..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsStr::from_bytes(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_lies_on_the_deepest_file_system_above_it() {
        let mountinfo = b"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n31 22 0:40 / /mnt/my\\040share rw - nfs4 host:/x rw\n32 22 0:41 / /mnt/m rw - tmpfs t rw\n";
        let mount = |path: &str| mount_in(mountinfo, Path::new(path));
        assert_eq!(mount("/var/log/a.log"), (PathBuf::from("/"), true));
        assert_eq!(mount("/mnt/my share/a.log"), (PathBuf::from("/mnt/my share"), false));
        assert_eq!(mount("/mnt/my/a.log"), (PathBuf::from("/"), true));
        assert_eq!(mount_in(b"", Path::new("/x")), (PathBuf::from("/"), false));
    }
}
