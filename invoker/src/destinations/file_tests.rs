//! The file destination on real files.

use super::*;

struct Folder {
    folder: tempfile::TempDir,
    destinations: FileDestinations,
}

impl Folder {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), destinations: FileDestinations::new() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("dead/letters.ndjson")
    }

    fn destination(&self) -> Arc<FileDestination> {
        self.destinations.destination(&self.path())
    }

    fn content(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }
}

async fn deliver(destination: &FileDestination, json: &str) -> Result<(), String> {
    let record = FailureRecord {
        json: Bytes::copy_from_slice(json.as_bytes()),
        original_key: None,
        headers: Vec::new(),
        shard: None,
        at: forebay_batcher::UnixMillis(0),
    };
    destination.deliver(record).await.map_err(|error| crate::outcome::chain(&error))
}

#[tokio::test]
async fn the_folder_is_made_and_each_record_is_one_line() {
    let folder = Folder::new();
    let destination = folder.destination();
    deliver(&destination, "{\"a\":1}").await.unwrap();
    deliver(&destination, "{\n\"a\": 2\r\n}").await.unwrap();
    assert_eq!(folder.content(), "{\"a\":1}\n{ \"a\": 2  }\n");
}

#[test]
fn the_parent_of_every_new_folder_is_synced_and_one_that_is_not_synced_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let wanted = root.join("a/b/c");
    let mut synced = Vec::new();
    let full = make_folders(&wanted, &mut |it| {
        synced.push(it.to_owned());
        if it == root.join("a") { Err(io::Error::other("the disk is gone")) } else { Ok(()) }
    });
    assert_eq!(full.unwrap_err().to_string(), "the disk is gone");
    assert_eq!(synced, [root.to_owned(), root.join("a")]);
    let make = || {
        let mut synced = Vec::new();
        let mut sync = |it: &Path| {
            synced.push(it.to_owned());
            Ok(())
        };
        make_folders(&wanted, &mut sync).unwrap();
        synced
    };
    assert_eq!(make(), [root.join("a"), root.join("a/b")]);
    assert!(wanted.is_dir());
    assert!(make().is_empty(), "what was there is durable");
}

#[tokio::test]
async fn a_line_that_was_cut_short_is_closed_before_the_next() {
    let folder = Folder::new();
    let destination = folder.destination();
    deliver(&destination, "{\"a\":1}").await.unwrap();
    std::fs::write(folder.path(), "{\"a\":1}\n{\"a\":").unwrap();
    deliver(&destination, "{\"a\":3}").await.unwrap();
    assert_eq!(folder.content(), "{\"a\":1}\n{\"a\":\n{\"a\":3}\n");
}

#[tokio::test]
async fn a_file_that_is_moved_or_removed_is_followed_by_a_new_one() {
    let folder = Folder::new();
    let destination = folder.destination();
    deliver(&destination, "1").await.unwrap();
    let aside = folder.folder.path().join("letters.1");
    std::fs::rename(folder.path(), &aside).unwrap();
    deliver(&destination, "2").await.unwrap();
    assert_eq!((std::fs::read_to_string(aside).unwrap(), folder.content()), ("1\n".into(), "2\n".into()));
    std::fs::remove_dir_all(folder.path().parent().unwrap()).unwrap();
    deliver(&destination, "3").await.unwrap();
    assert_eq!(folder.content(), "3\n");
}

#[tokio::test]
async fn mappings_that_share_a_file_do_not_break_each_others_lines() {
    let folder = Folder::new();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let destination = folder.destination();
        tasks.spawn(async move {
            for n in 0..20 {
                let filler = "x".repeat(if n % 5 == 0 { 3_000_000 } else { 50 });
                deliver(&destination, &format!("[{writer},{n},\"{filler}\"]")).await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let mut seen: Vec<(u64, u64)> = Vec::new();
    for line in folder.content().lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        seen.push((value[0].as_u64().unwrap(), value[1].as_u64().unwrap()));
    }
    seen.sort_unstable();
    let expected: Vec<_> = (0..8).flat_map(|writer| (0..20).map(move |n| (writer, n))).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_full_disk_refuses_and_the_next_record_is_taken_when_there_is_room() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path().parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path()).unwrap();
    let destination = folder.destination();
    let refused = deliver(&destination, "1").await.unwrap_err();
    assert!(
        refused.contains("did not take a failure record: cannot write to")
            && refused.contains("No space left"),
        "{refused}"
    );
    std::fs::remove_file(folder.path()).unwrap();
    deliver(&destination, "1").await.unwrap();
    assert_eq!(folder.content(), "1\n");
}

#[tokio::test]
async fn a_path_that_cannot_be_is_refused_by_name() {
    let folder = Folder::new();
    std::fs::write(folder.folder.path().join("dead"), "").unwrap();
    let refused = deliver(&folder.destination(), "1").await.unwrap_err();
    assert!(refused.contains("cannot create the folder"), "{refused}");
    let refused = deliver(&folder.destinations.destination(folder.folder.path()), "1").await.unwrap_err();
    assert!(refused.contains("cannot open"), "{refused}");
}

#[test]
fn one_path_is_one_destination_however_it_is_spelled() {
    let folder = Folder::new();
    let first = folder.destination();
    let spelled = folder.folder.path().join("dead/./letters.ndjson");
    assert!(Arc::ptr_eq(&first, &folder.destinations.destination(&spelled)));
}
