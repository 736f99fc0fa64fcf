//! Files that nobody should write: each gets its record or its clear answer, and a good file beside it is
//! read all the same.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Follower;
use super::contract::local;
use crate::file::fake::FakeFiles;

/// A folder with a good file; what else lies there must not harm it.
async fn follow(write: impl FnOnce(&Path)) -> (tempfile::TempDir, Follower) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    std::fs::write(folder.path().join("zz-good.log"), "good\n").unwrap();
    let mut follower = Follower::new(local(folder.path(), "*.log", Duration::ZERO));
    follower.catch_up().await;
    assert_eq!(follower.lines().last().unwrap(), &["good"]);
    (folder, follower)
}

/// The records of the other file, as the function gets them.
fn bodies(follower: &Follower) -> Vec<serde_json::Value> {
    let renderer = follower.source.format().renderer(false);
    let render = |raw| {
        let mut bytes = Vec::new();
        renderer.render(raw, &mut bytes);
        serde_json::from_slice(&bytes).unwrap()
    };
    follower.tracks[&follower.names[0]].records.iter().map(render).collect()
}

#[tokio::test]
async fn a_binary_file_comes_as_base64_line_by_line() {
    let bytes: Vec<u8> = (0..=255).rev().collect();
    let (_folder, follower) =
        follow(|it| std::fs::write(it.join("a.log"), [&bytes[..], b"\n", &bytes, b"\n"].concat()).unwrap())
            .await;
    let bodies = bodies(&follower);
    let line = |it: &serde_json::Value| match (it["bodyEncoding"].as_str(), it["body"].as_str().unwrap()) {
        (Some(_), body) => STANDARD.decode(body).unwrap(),
        (None, body) => body.as_bytes().to_vec(),
    };
    let back: Vec<u8> = bodies.iter().flat_map(|it| [line(it), vec![b'\n']].concat()).collect();
    assert_eq!(back, [&bytes[..], b"\n", &bytes, b"\n"].concat());
}

#[tokio::test]
async fn a_line_of_64_mb_is_truncated_and_the_next_one_is_whole() {
    const N_BYTES: usize = 64 << 20;
    let (_folder, follower) = follow(|it| {
        let mut file = std::fs::File::create(it.join("a.log")).unwrap();
        for _ in 0..64 {
            file.write_all(&[b'x'; 1 << 20]).unwrap();
        }
        file.write_all(b"\r\nnext\n").unwrap();
    })
    .await;
    let bodies = bodies(&follower);
    assert_eq!(
        (bodies[0]["truncated"].as_bool(), bodies[0]["length"].as_u64()),
        (Some(true), Some(N_BYTES as u64))
    );
    assert_eq!(bodies[0]["body"].as_str().map(str::len), Some(1_000_000));
    assert_eq!((bodies[1]["body"].as_str(), bodies[1]["offset"].as_str()), (Some("next"), Some("67108866")));
}

#[tokio::test]
async fn lines_at_the_limit_are_whole_and_one_byte_more_is_truncated() {
    let (_folder, follower) = follow(|it| {
        let line = |n: usize, end: &str| format!("{}{end}", "y".repeat(n));
        let lines = [
            line(999_999, "\n"),
            line(1_000_000, "\r\n"),
            line(1_000_001, "\n"),
            line(1_000_004, "\r\n"),
            line(1_000_005, "\n"),
        ];
        std::fs::write(it.join("a.log"), lines.concat()).unwrap();
    })
    .await;
    let bodies = bodies(&follower);
    let seen: Vec<_> =
        bodies.iter().map(|it| (it["body"].as_str().unwrap().len(), it["length"].as_u64())).collect();
    let cut = |n| (1_000_000, Some(n));
    assert_eq!(seen, [(999_999, None), (1_000_000, None), cut(1_000_001), cut(1_000_004), cut(1_000_005)]);
}

#[tokio::test]
async fn nuls_and_windows_line_ends_and_a_byte_order_mark_are_no_trouble() {
    let (_folder, follower) =
        follow(|it| std::fs::write(it.join("a.log"), b"\xef\xbb\xbfa\0b\r\n\r\n\0\r\nc\n").unwrap()).await;
    let bodies = bodies(&follower);
    let seen: Vec<_> =
        bodies.iter().map(|it| (it["body"].as_str().unwrap(), it["offset"].as_str().unwrap())).collect();
    assert_eq!(seen, [("a\0b", "0"), ("c", "13")]);
}

#[tokio::test]
async fn a_hundred_thousand_empty_lines_are_passed_without_a_record() {
    let (_folder, follower) = follow(|it| {
        std::fs::write(it.join("a.log"), format!("{}last\n{}", "\n".repeat(100_000), "\r\n".repeat(100_000)))
            .unwrap();
    })
    .await;
    assert_eq!(follower.lines()[0], ["last"]);
    assert_eq!(super::number(&follower.tracks[&follower.names[0]].at), Some(300_005));
}

#[tokio::test]
async fn a_file_that_is_deleted_while_it_is_read_is_read_to_its_end() {
    let (folder, mut follower) = follow(|it| std::fs::write(it.join("a.log"), "one\ntwo\n").unwrap()).await;
    let writer = std::fs::OpenOptions::new().append(true).open(folder.path().join("a.log")).unwrap();
    std::fs::remove_file(folder.path().join("a.log")).unwrap();
    (&writer).write_all(b"three\nfour").unwrap();
    follower.catch_up().await;
    assert_eq!(follower.lines()[0], ["one", "two", "three", "four"]);
    assert!(follower.tracks[&follower.names[0]].ended);
}

#[tokio::test]
async fn a_file_replaced_by_a_folder_ends_and_the_path_is_named_as_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    std::fs::write(&path, "one\n").unwrap();
    let mut follower = Follower::new(local(folder.path(), "a.log", Duration::ZERO));
    follower.catch_up().await;
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    follower.catch_up().await;
    assert!(follower.tracks[&follower.names[0]].ended);
    let trouble = follower.trouble.clone().unwrap();
    assert!(trouble.contains("FB-0203") && trouble.contains("a folder"), "{trouble}");
    std::fs::remove_dir(&path).unwrap();
    std::fs::write(&path, "two\n").unwrap();
    follower.catch_up().await;
    assert_eq!(
        (follower.trouble.clone(), follower.lines()),
        (None, vec![vec!["one".to_owned()], vec!["two".to_owned()]])
    );
}

#[tokio::test]
async fn a_name_that_is_no_utf_8_is_read_and_harms_no_other() {
    use std::os::unix::ffi::OsStrExt as _;
    let odd = |name: &[u8]| std::ffi::OsStr::from_bytes(name).to_owned();
    let (folder, follower) = follow(|it| {
        std::fs::write(it.join(odd(b"foto\xe9.jpg")), "no log\n").unwrap();
        std::fs::write(it.join(odd(b"caf\xe9.log")), "odd\n").unwrap();
    })
    .await;
    assert_eq!(follower.lines(), [["odd"], ["good"]]);
    std::fs::create_dir(folder.path().join(odd(b"\xff"))).unwrap();
    std::fs::write(folder.path().join(odd(b"\xff")).join("deep.log"), "deep\n").unwrap();
    let mut follower = Follower::new(local(folder.path(), "**/*.log", Duration::ZERO));
    follower.catch_up().await;
    assert_eq!((follower.lines().concat().len(), follower.trouble), (3, None));
}

#[tokio::test]
async fn a_link_to_nothing_is_a_file_that_has_yet_to_come() {
    let (folder, mut follower) =
        follow(|it| std::os::unix::fs::symlink("target", it.join("a.log")).unwrap()).await;
    assert_eq!(follower.trouble, None);
    std::fs::write(folder.path().join("target"), "here\n").unwrap();
    follower.catch_up().await;
    assert_eq!(follower.lines(), [["good"], ["here"]]);
}

#[tokio::test]
async fn a_file_whose_permission_is_lost_goes_on_by_itself_when_it_is_back() {
    let files = FakeFiles::new();
    files.disk().make_folder("/logs");
    files.disk().append("/logs/a.log", b"one\n");
    files.disk().append("/logs/good.log", b"good\n");
    let mut follower = Follower::new(files.source("/logs/*.log", Duration::ZERO).unwrap());
    follower.catch_up().await;
    files.disk().append("/logs/a.log", b"two\n");
    files.disk().deny("/logs/a.log");
    follower.restart(files.source("/logs/*.log", Duration::ZERO).unwrap(), |n| n);
    files.disk().append("/logs/good.log", b"better\n");
    follower.catch_up().await;
    assert_eq!(follower.lines(), [vec!["one"], vec!["good", "better"]]);
    assert!(follower.trouble.as_ref().is_some_and(|it| it.contains("FB-0202")), "{:?}", follower.trouble);
    let error = follower
        .source
        .tracks()
        .expect("it has tracks")
        .open(&follower.names[0], &follower.tracks[&follower.names[0]].at)
        .await
        .err()
        .unwrap();
    assert!(error.is_transient() && format!("{:?}", error.to_notice()).contains("FB-0202"));
    files.disk().allow("/logs/a.log");
    follower.catch_up().await;
    assert_eq!((follower.trouble.clone(), follower.lines()[0].len()), (None, 2));
}

#[tokio::test]
async fn a_thousand_files_are_followed_at_once() {
    let files = FakeFiles::new();
    files.disk().make_folder("/logs");
    for idx in 0..1000 {
        files.disk().append(&format!("/logs/{idx:04}.log"), format!("{idx}\n").as_bytes());
    }
    let mut follower = Follower::new(files.source("/logs/*.log", Duration::ZERO).unwrap());
    follower.catch_up().await;
    let lines = follower.lines().concat();
    assert_eq!(lines, (0..1000).map(|it| it.to_string()).collect::<Vec<_>>());
}
