//! The Unix socket in the data folder: only its owner can open it, from its first moment on.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// Its name in the data folder.
pub const SOCKET_FILE: &str = "forebay.sock";
/// A folder for the moment in which it is made. Short, for the path of a socket may have only some hundred
/// bytes.
const CRADLE: &str = ".sock";

/// A socket that stands.
#[derive(Debug)]
pub struct Socket {
    pub(super) listener: UnixListener,
    /// Its file; whoever ends the listener removes it.
    pub path: PathBuf,
}

impl Socket {
    /// Makes the socket, in place of one that a dead process left: the data folder has one process at a time.
    /// It comes to its place by a rename, with its rights.
    ///
    /// # Errors
    /// The path is too long for a socket, something else has the name, or the folder cannot be written.
    pub fn bind(folder: &Path) -> io::Result<Self> {
        let path = folder.join(SOCKET_FILE);
        match fs::symlink_metadata(&path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "something that is no socket has its name",
                ));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let cradle = folder.join(CRADLE);
        // It is left where a process was killed before it had taken it away.
        match fs::remove_dir_all(&cradle) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        DirBuilder::new().mode(0o700).create(&cradle)?;
        let bound = Self::bind_in(&cradle, &path);
        // Empty by now; were it not, the next start removes it.
        let _ = fs::remove_dir_all(&cradle);
        bound
    }

    fn bind_in(cradle: &Path, path: &Path) -> io::Result<Self> {
        let born = cradle.join("s");
        let listener = UnixListener::bind(&born)?;
        // Until here the folder keeps others out, from here on the socket's own rights.
        fs::set_permissions(&born, Permissions::from_mode(0o600))?;
        fs::rename(&born, path)?;
        Ok(Self { listener, path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_owner_can_open_it_and_a_stale_one_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let socket = Socket::bind(folder.path()).unwrap();
            let mode = fs::metadata(&socket.path).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o600);
            let (connected, accepted) =
                tokio::join!(tokio::net::UnixStream::connect(&socket.path), socket.listener.accept());
            assert!(connected.is_ok() && accepted.is_ok());
            // Dropped without removing its file, as by a process that was killed.
            drop(socket);
            assert!(folder.path().join(SOCKET_FILE).exists() && !folder.path().join(CRADLE).exists());
        }
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone_and_a_long_path_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(SOCKET_FILE), "mine").unwrap();
        assert_eq!(Socket::bind(folder.path()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(folder.path().join(SOCKET_FILE)).unwrap(), "mine");
        let long = folder.path().join("x".repeat(120));
        fs::create_dir(&long).unwrap();
        assert!(Socket::bind(&long).is_err());
    }
}
