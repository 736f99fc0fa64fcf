//! A thousand random scripts against the model: every whole line of every life of every file is seen exactly
//! once and in order.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Follower;
use crate::contract::Draw;
use crate::file::fake::FakeFiles;

const PATHS: [&str; 3] = ["/logs/a.log", "/logs/b.log", "/logs/c.log"];

/// What was written into one life of one file.
#[derive(Default)]
struct Life {
    lines: Vec<String>,
    /// The last line has no end yet.
    is_open: bool,
    is_over: bool,
}

struct Script {
    files: FakeFiles,
    draw: Draw,
    follower: Follower,
    lives: Vec<Life>,
    /// The life that each path holds.
    current: BTreeMap<&'static str, usize>,
    n_lines: usize,
}

impl Script {
    fn new(seed: u64) -> Self {
        let files = FakeFiles::new();
        files.disk().make_folder("/logs");
        let follower = Follower::new(files.source("/logs/*.log", Duration::ZERO).unwrap());
        Self { files, draw: Draw(seed), follower, lives: Vec::new(), current: BTreeMap::new(), n_lines: 0 }
    }

    fn write(&mut self, path: &'static str) {
        let life = *self.current.entry(path).or_insert_with(|| {
            self.lives.push(Life::default());
            self.lives.len() - 1
        });
        let text = self.text(life);
        self.files.disk().append(path, text.as_bytes());
    }

    /// Some lines, the last one often without an end.
    fn text(&mut self, life: usize) -> String {
        let mut text = String::new();
        let it = &mut self.lives[life];
        if std::mem::take(&mut it.is_open) {
            text.push('\n');
        }
        for _ in 0..self.draw.below(4) {
            self.n_lines += 1;
            let line = format!("life {life} line {} {}", self.n_lines, "x".repeat(self.draw.below(40)));
            text.push_str(&line);
            text.push('\n');
            it.lines.push(line);
        }
        if !text.is_empty() && !it.lines.is_empty() && text.len() > 1 && self.draw.below(3) == 0 {
            text.pop();
            it.is_open = true;
        }
        text
    }

    async fn step(&mut self) {
        self.files.disk().now += 1;
        let path = PATHS[self.draw.below(PATHS.len())];
        match self.draw.below(10) {
            0..=4 => self.write(path),
            5 => self.rotate(path).await,
            6 => self.truncate(path).await,
            7 => self.restart().await,
            _ => self.follower.catch_up().await,
        }
    }

    /// Renames away or deletes; the writer goes on for a while in the old file.
    async fn rotate(&mut self, path: &'static str) {
        self.follower.catch_up().await;
        let Some(life) = self.current.remove(path) else { return };
        let number = self.files.disk().number(path).unwrap();
        if self.draw.below(2) == 0 {
            self.files.disk().rename(path, &format!("{path}.1"));
        } else {
            self.files.disk().remove(path);
        }
        if self.files.disk().inode(number).is_some() {
            let text = self.text(life);
            self.files.disk().append_to(number, text.as_bytes());
        }
        self.lives[life].is_over = true;
        if self.draw.below(2) == 0 {
            self.write(path);
        }
        self.follower.catch_up().await;
    }

    async fn truncate(&mut self, path: &'static str) {
        self.follower.catch_up().await;
        let Some(life) = self.current.remove(path) else { return };
        self.lives[life].is_over = true;
        self.files.disk().truncate(path, 0);
        self.write(path);
    }

    /// The process dies: tracks go back to some record that was not durable yet.
    async fn restart(&mut self) {
        self.follower.catch_up().await;
        let source = self.files.source("/logs/*.log", Duration::ZERO).unwrap();
        let draw = &mut self.draw;
        self.follower.restart(source, |n_records| draw.below(n_records + 1));
        if self.draw.below(2) == 0 {
            self.follower.catch_up().await;
        } else {
            // Files grow, and some are renamed away, while nobody looks.
            self.write(PATHS[0]);
            if let Some(life) = self.current.remove(PATHS[1]) {
                self.files.disk().rename(PATHS[1], "/logs/b.log.1");
                self.lives[life].is_over = true;
            }
        }
        self.follower.catch_up().await;
    }

    fn check(&self, seed: u64) {
        let mut seen: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for lines in self.follower.lines() {
            let lives: Vec<usize> =
                lines.iter().map(|line| line.split(' ').nth(1).unwrap().parse().unwrap()).collect();
            assert!(
                lives.windows(2).all(|it| it[0] == it[1]),
                "seed {seed}: a track holds one life: {lines:?}"
            );
            if let Some(life) = lives.first() {
                assert!(seen.insert(*life, lines).is_none(), "seed {seed}: life {life} is read twice");
            }
        }
        for (idx, life) in self.lives.iter().enumerate() {
            let n_whole = life.lines.len() - usize::from(life.is_open && !life.is_over);
            let seen = seen.remove(&idx).unwrap_or_default();
            assert_eq!(seen, life.lines[..n_whole], "seed {seed}, life {idx}");
        }
    }
}

#[tokio::test]
async fn every_whole_line_is_seen_exactly_once_in_a_thousand_scripts() {
    for seed in 0..1000 {
        let mut script = Script::new(seed);
        for _ in 0..25 {
            script.step().await;
        }
        script.follower.catch_up().await;
        script.check(seed);
    }
}
