//! kill -9 under load: every line is seen, order holds, repeats stay within the uncommitted span.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use forebay_tests::daemon::Daemon;
use forebay_tests::wait;

use crate::scene::{Scene, by_file, is_long};

const N_FILES: usize = 4;
const BATCH: usize = 20;
/// Batches that one file's function can finish between two writes of the store: each takes it a fifth of a
/// millisecond at the very least.
const UNWRITTEN_MAX: usize = 25;

#[test]
fn killed_again_and_again_it_loses_nothing_and_keeps_order() {
    let n_kills = if is_long() { 20 } else { 5 };
    let scene = Arc::new(Scene::new());
    scene.config(&format!(
        "starting_position: TRIM_HORIZON\nbatch_size: {BATCH}\nmaximum_batching_window_in_seconds: 0.05"
    ));
    let is_done = Arc::new(AtomicBool::new(false));
    let writer = thread::spawn({
        let (scene, is_done) = (Arc::clone(&scene), Arc::clone(&is_done));
        move || write_until(&scene, &is_done)
    });

    for kill in 0..n_kills {
        let before = scene.n_seen();
        let daemon = Daemon::start(scene.folder());
        // Killed at another moment each time: after 1, 38, 75, … further lines, not at a time.
        wait::until("some lines", || (scene.n_seen() > before + kill * 37).then_some(()));
        daemon.kill();
    }
    is_done.store(true, Ordering::SeqCst);
    let n_lines = writer.join().expect("the writer ends");
    let daemon = Daemon::start(scene.folder());
    let all = N_FILES * n_lines;
    wait::until("all lines", || (distinct(&scene) == all).then_some(()));
    scene.append("in/f0", "one more\n");
    wait::until("a fresh line", || (distinct(&scene) == all + 1).then_some(()));
    assert!(daemon.stop().success());

    judge(&scene, n_lines, n_kills);
}

/// Appends numbered lines to all files until told to stop; how many each got.
fn write_until(scene: &Scene, is_done: &AtomicBool) -> usize {
    let mut n = 0;
    while !is_done.load(Ordering::SeqCst) || n < 500 {
        for file in 0..N_FILES {
            scene.append(&format!("in/f{file}"), &format!("line {n} of f{file}\n"));
        }
        n += 1;
        if n % 50 == 0 {
            // Not a wait for a state: the load's own pace.
            thread::park_timeout(std::time::Duration::from_millis(5));
        }
    }
    n
}

fn distinct(scene: &Scene) -> usize {
    scene.seen().into_iter().map(|it| (it.file, it.offset)).collect::<BTreeSet<_>>().len()
}

fn judge(scene: &Scene, n_lines: usize, n_kills: usize) {
    let mut n_repeated = 0;
    for (file, seen) in by_file(scene.seen()) {
        let mut expected = (0..n_lines)
            .map(|n| format!("line {n} of {file}"))
            .chain((file == "f0").then(|| "one more".to_owned()));
        let mut next_offset = 0;
        let mut n_back = 0;
        for it in &seen {
            if it.offset < next_offset {
                n_repeated += 1;
                n_back += 1;
                continue;
            }
            assert_eq!(it.offset, next_offset, "{file}: a line was skipped or overtaken");
            assert_eq!(Some(&it.body), expected.next().as_ref(), "{file} at {}", it.offset);
            next_offset += it.body.len() as u64 + 1;
        }
        assert_eq!(expected.next(), None, "{file} was not read to its end");
        // P4: per kill at most the batches of this file that were finished and not yet written, and the one in
        // flight. The store writes at most every five milliseconds, and no batch waits for it.
        assert!(n_back <= n_kills * UNWRITTEN_MAX * BATCH, "{file}: {n_back} repeats after {n_kills} kills");
    }
    eprintln!("kills: {n_kills}, lines: {}, repeated: {n_repeated}", N_FILES * n_lines);
}
