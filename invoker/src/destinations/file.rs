//! A file that gets one JSON line per failure record, on disk before it counts as taken.

use std::collections::BTreeMap;
use std::io::{self, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, Weak};

use bytes::Bytes;
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::sync::Mutex;

use crate::destination::{DeliveryError, Destination, FailureRecord};
use crate::executor::BoxFuture;

/// Held while folders are made.
static MAKING_FOLDERS: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// The file destinations of a process: one for each path, so that mappings that share a file take turns.
#[derive(Debug, Default)]
pub struct FileDestinations {
    by_path: std::sync::Mutex<BTreeMap<PathBuf, Weak<FileDestination>>>,
}

impl FileDestinations {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The destination of a path. Nothing is opened before the first record.
    pub fn destination(&self, path: &Path) -> Arc<FileDestination> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut by_path = self.by_path.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(destination) = by_path.get(&path).and_then(Weak::upgrade) {
            return destination;
        }
        // What no mapping names any more would else stay for the life of the process.
        by_path.retain(|_, destination| destination.strong_count() > 0);
        let destination = Arc::new(FileDestination { path: path.clone(), open: Mutex::new(None) });
        by_path.insert(path, Arc::downgrade(&destination));
        destination
    }
}

/// A file that gets one JSON line per failure record.
///
/// Lines are appended with one write each and synced before they count as taken. A file that was moved away
/// is followed by a new one at the path. A line that a crash or a full disk cut short is closed with a
/// newline before the next one, so that it spoils no other.
#[derive(Debug)]
pub struct FileDestination {
    path: PathBuf,
    open: Mutex<Option<AppendedFile>>,
}

#[derive(Debug)]
struct AppendedFile {
    file: File,
    identity: OutputIdentity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OutputIdentity {
    device: u64,
    inode: u64,
}

/// A file did not take a line. What was written of it is closed off before the next.
#[derive(Debug, thiserror::Error)]
enum AppendError {
    #[error("cannot create the folder {}", .0.display())]
    Folder(PathBuf, #[source] io::Error),
    #[error("cannot open {}", .0.display())]
    Open(PathBuf, #[source] io::Error),
    #[error("cannot write to {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
}

impl FileDestination {
    async fn append(&self, json: &[u8]) -> Result<(), AppendError> {
        let mut open = self.open.lock().await;
        // Taken out first: after any failure, and after a drop in the middle, the next record opens the file
        // afresh.
        let mut current = match open.take() {
            Some(current) if self.identity_at_path().await == Some(current.identity) => current,
            Some(_) | None => self.open_file().await?,
        };
        current.append(json).await.map_err(|error| AppendError::Write(self.path.clone(), error))?;
        *open = Some(current);
        Ok(())
    }

    async fn identity_at_path(&self) -> Option<OutputIdentity> {
        fs::metadata(&self.path).await.ok().map(|metadata| OutputIdentity::of(&metadata))
    }

    async fn open_file(&self) -> Result<AppendedFile, AppendError> {
        let folder = self.path.parent().unwrap_or(&self.path);
        #[expect(clippy::disallowed_methods, reason = "it is waited for right here")]
        let made = tokio::task::spawn_blocking({
            let folder = folder.to_owned();
            move || make_folders(&folder, &mut |it| std::fs::File::open(it)?.sync_all())
        });
        made.await
            .unwrap_or_else(|died| Err(io::Error::other(died)))
            .map_err(|error| AppendError::Folder(folder.to_owned(), error))?;
        let open = async {
            // Read as well: for the last byte, and because a named pipe opened so waits for no reader.
            let file =
                OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(&self.path).await?;
            let metadata = file.metadata().await?;
            if metadata.is_file() {
                // A new file's name is durable only with its folder.
                File::open(folder).await?.sync_all().await?;
            }
            Ok(AppendedFile { file, identity: OutputIdentity::of(&metadata) })
        };
        open.await.map_err(|error| AppendError::Open(self.path.clone(), error))
    }
}

/// Makes a folder and those that lead to it. `sync` gets the parent of each, for the name of a new folder is
/// durable only with its parent; one whose name is not is taken away again, so that the next try makes it.
fn make_folders(folder: &Path, sync: &mut dyn FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    // One at a time: whoever finds a folder takes it for durable.
    let _alone = MAKING_FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
    let missing: Vec<&Path> = folder.ancestors().take_while(|it| !it.is_dir()).collect();
    for folder in missing.into_iter().rev() {
        match std::fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !folder.is_dir() => {
                return Err(error);
            }
            // Somebody else may make it just now.
            Ok(()) | Err(_) => {}
        }
        if let Err(error) = folder.parent().map_or(Ok(()), &mut *sync) {
            // What else is in it already stays, and so does the folder.
            let _ = std::fs::remove_dir(folder);
            return Err(error);
        }
    }
    Ok(())
}

impl AppendedFile {
    async fn append(&mut self, json: &[u8]) -> io::Result<()> {
        let metadata = self.file.metadata().await?;
        let mut line = Vec::with_capacity(json.len() + 2);
        if metadata.is_file() && metadata.len() > 0 && self.last_byte().await? != b'\n' {
            line.push(b'\n');
        }
        // Between the tokens of JSON a newline is a space like any other.
        line.extend(json.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
        line.push(b'\n');
        // However long the line, it is one write: others may append to the same file.
        self.file.set_max_buf_size(line.len());
        self.file.write_all(&line).await?;
        // tokio writes behind the caller's back; without this the sync could come before the write.
        self.file.flush().await?;
        // Pipes and devices have nothing to sync.
        if metadata.is_file() { self.file.sync_data().await } else { Ok(()) }
    }

    async fn last_byte(&mut self) -> io::Result<u8> {
        self.file.seek(SeekFrom::End(-1)).await?;
        self.file.read_u8().await
    }
}

impl OutputIdentity {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

impl Destination for FileDestination {
    fn deliver(&self, record: FailureRecord) -> BoxFuture<'_, Result<(), DeliveryError>> {
        let json: Bytes = record.json;
        Box::pin(async move {
            let refused = |error: AppendError| DeliveryError {
                destination: self.label(),
                code: "FB-0340",
                cause: error.into(),
            };
            self.append(&json).await.map_err(refused)
        })
    }

    fn label(&self) -> String {
        format!("file {}", self.path.display())
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
