//! Places that operators ask for, over files of this machine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{Origin, Position, ShortBytes, Watermark};
use forebay_config::StartingPosition;

use super::contract::local;
use crate::source::{Known, Source, Standing, TrackName};
use crate::source::{PlaceError, Stand};

fn append(path: &Path, text: &str) {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

async fn tracks(source: &Arc<dyn Source>, known: &Known) -> Vec<TrackName> {
    source
        .tracks()
        .expect("it has tracks")
        .list(known)
        .await
        .unwrap()
        .tracks
        .into_iter()
        .map(|it| it.name)
        .collect()
}

fn stand(track: &TrackName, at: u64) -> Stand {
    Stand { track: track.clone(), bound: Watermark::At(Position::number(at)), standing: Standing::Open }
}

fn why(refused: Result<Watermark, PlaceError>) -> String {
    match refused {
        Err(PlaceError::None(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_not_finished_is_behind_and_a_file_that_nobody_was_told_of_too() {
    let folder = tempfile::tempdir().unwrap();
    let source = local(folder.path(), "*.log", Duration::ZERO);
    append(&folder.path().join("a.log"), "one\ntwo\n");
    assert_eq!(
        source.explorer().backlog(&[]).await.unwrap().bytes,
        Some(8),
        "a mapping that never ran has all before it"
    );
    let a = tracks(&source, &Known::default()).await.remove(0);
    assert_eq!(source.explorer().backlog(&[stand(&a, 4)]).await.unwrap().bytes, Some(4));
    append(&folder.path().join("b.log"), "three\n");
    let backlog = source.explorer().backlog(&[stand(&a, 8)]).await.unwrap();
    assert_eq!((backlog.bytes, backlog.records), (Some(6), None));
    let b = tracks(&source, &Stand::known(&[stand(&a, 8)])).await.remove(0);
    assert_eq!(source.explorer().backlog(&[stand(&a, 8), stand(&b, 6)]).await.unwrap().bytes, Some(0));
    std::fs::remove_dir_all(folder.path()).unwrap();
    assert!(source.explorer().backlog(&[]).await.is_err(), "where nothing can be seen nothing is claimed");
}

#[tokio::test]
async fn an_offset_is_a_place_only_where_a_line_begins() {
    let folder = tempfile::tempdir().unwrap();
    let source = local(folder.path(), "*.log", Duration::ZERO);
    append(&folder.path().join("a.log"), "one\ntwo\nthr");
    let a = tracks(&source, &Known::default()).await.remove(0);
    for at in [0, 4, 8] {
        assert_eq!(super::number(&source.explorer().bound(&a, &at.to_string()).await.unwrap()), Some(at));
    }
    let told = why(source.explorer().bound(&a, "5").await);
    assert!(told.ends_with("begins at byte 5; the one that holds it begins at 4"), "{told}");
    assert!(
        why(source.explorer().bound(&a, "11").await).ends_with("begins at 8"),
        "a line without an end is still being written"
    );
    assert!(why(source.explorer().bound(&a, "12").await).ends_with("has 11 bytes only"));
    assert!(why(source.explorer().bound(&a, "-1").await).contains("is no offset"));
    std::fs::remove_file(folder.path().join("a.log")).unwrap();
    assert_eq!(
        why(local(folder.path(), "*.log", Duration::ZERO).explorer().bound(&a, "0").await),
        "its file is gone"
    );
}

#[tokio::test]
async fn a_known_file_keeps_its_name_though_it_has_grown() {
    let folder = tempfile::tempdir().unwrap();
    append(&folder.path().join("a.log"), "one\n");
    let a = tracks(&local(folder.path(), "*.log", Duration::ZERO), &Known::default()).await.remove(0);
    append(&folder.path().join("a.log"), "two\nthr");
    append(&folder.path().join("b.log"), "new\n");
    // A new process has seen nothing of the file's youth.
    let source = local(folder.path(), "*.log", Duration::ZERO);
    let known = Known([(a.clone(), Standing::Open)].into());
    let first = source.explorer().places(&known, StartingPosition::TrimHorizon).await.unwrap();
    assert!(
        first.len() == 2 && first.contains(&(a.clone(), Origin(ShortBytes::new(b"")))),
        "one that is new begins too: {first:?}"
    );
    let last = source.explorer().places(&known, StartingPosition::Latest).await.unwrap();
    let place = |it: &(TrackName, Origin)| super::number(&Watermark::Origin(it.1.clone()));
    assert_eq!(last.iter().find(|it| it.0 == a).and_then(place), Some(8), "{last:?}");
    assert!(matches!(
        source.explorer().places(&known, StartingPosition::AtTimestamp(0)).await,
        Err(PlaceError::None(_))
    ));
}

#[tokio::test]
async fn a_file_that_was_rotated_away_begins_again_and_one_life_of_a_file_begins_once() {
    let folder = tempfile::tempdir().unwrap();
    append(&folder.path().join("a.log"), "one\n");
    let a = tracks(&local(folder.path(), "*.log", Duration::ZERO), &Known::default()).await.remove(0);
    let known = Known([(a.clone(), Standing::Ended)].into());
    let again = local(folder.path(), "*.log", Duration::ZERO)
        .explorer()
        .places(&known, StartingPosition::TrimHorizon)
        .await
        .unwrap();
    assert!(again.len() == 1 && again[0].0 != a, "it is here under a new life: {again:?}");
    std::fs::rename(folder.path().join("a.log"), folder.path().join("a.log.1")).unwrap();
    let again = local(folder.path(), "*.log", Duration::ZERO)
        .explorer()
        .places(&known, StartingPosition::TrimHorizon)
        .await
        .unwrap();
    assert_eq!(again, [(a, Origin(ShortBytes::new(b"")))]);
}
