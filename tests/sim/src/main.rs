//! `forebay-sim`: runs seeds, shows one, and hunts a fault that was planted in the core.
#![allow(clippy::print_stdout, reason = "a command line tool answers on standard output")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use forebay_sim::coverage::{Coverage, Point};
use forebay_sim::trace::Keep;
use forebay_sim::{Report, Shape, report, run_choices, run_seed, seeds, shape_of_seed};

const USAGE: &str = "usage: forebay-sim run --seeds N [--base B] [--threads 2] [--shape SHAPE]
       forebay-sim survey --seeds N [--base B] [--shape SHAPE]
       forebay-sim hunt --seeds N [--base B] [--shape SHAPE]
       forebay-sim seed N [--trace]
       forebay-sim kept ORIGIN
of the seeds of a SHAPE (tree, push, group, channel) alone others are passed over";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [command @ ("run" | "survey" | "hunt"), ..] => {
            let (n_seeds, base) = (number(&words, "--seeds"), number(&words, "--base"));
            match (command, n_seeds, shape(&words)) {
                (_, None, _) | (_, _, Err(())) => usage(),
                ("run", Some(n), Ok(shape)) => {
                    run(n, base.unwrap_or_else(base_of_now), number(&words, "--threads").unwrap_or(2), shape)
                }
                ("survey", Some(n), Ok(shape)) => survey(seeds_of(base.unwrap_or(1), n, shape)),
                (_, Some(n), Ok(shape)) => hunt(seeds_of(base.unwrap_or(1), n, shape)),
            }
        }
        ["seed", seed, ..] => {
            seed.parse().map_or_else(|_| usage(), |seed| show(seed, words.contains(&"--trace")))
        }
        ["kept", origin] => show_kept(origin),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    println!("{USAGE}");
    ExitCode::from(2)
}

fn number(words: &[&str], name: &str) -> Option<u64> {
    let at = words.iter().position(|word| *word == name)?;
    words.get(at + 1)?.parse().ok()
}

/// The shape that is asked for alone; an error when there is none of that name.
fn shape(words: &[&str]) -> Result<Option<Shape>, ()> {
    let Some(at) = words.iter().position(|word| *word == "--shape") else { return Ok(None) };
    words.get(at + 1).and_then(|word| Shape::of_word(word)).map(Some).ok_or(())
}

/// Seeds from a base on; of one shape alone where that is asked for.
fn seeds_of(base: u64, n_seeds: u64, shape: Option<Shape>) -> impl Iterator<Item = u64> {
    (base..base + n_seeds).filter(move |seed| shape.is_none() || shape_of_seed(*seed) == shape)
}

fn base_of_now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(1, |since| since.as_secs() * 1_000_000)
}

/// Replays the kept lines, then runs fresh seeds on a few threads.
fn run(n_seeds: u64, base: u64, n_threads: u64, shape: Option<Shape>) -> ExitCode {
    for line in seeds::kept() {
        if let Some(violation) = seeds::replay(&line) {
            println!("a kept line breaks {} again: {}\n{line}", violation.rule, violation.what);
            return ExitCode::FAILURE;
        }
    }
    println!("base seed {base}, {n_seeds} seeds on {n_threads} threads");
    let start = Instant::now();
    let workers: Vec<_> = (0..n_threads)
        .map(|thread| std::thread::spawn(move || work(seeds_of(base, n_seeds, shape), thread, n_threads)))
        .collect();
    let mut coverage = Coverage::default();
    let mut failures = Vec::new();
    let mut busy = Duration::ZERO;
    let (mut n_steps, mut n_run) = (0, 0);
    for worker in workers {
        let share = worker.join().expect("workers turn panics into violations");
        coverage.add(&share.coverage);
        failures.extend(share.failure);
        busy += share.busy;
        n_steps += share.n_steps;
        n_run += share.n_seeds;
    }
    let n_seeds = n_run;
    let rate = n_seeds as f64 / busy.as_secs_f64().max(1e-9);
    println!(
        "{rate:.0} seeds per core-second, {} steps a seed, {:.1} s in all",
        n_steps / n_seeds.max(1),
        start.elapsed().as_secs_f64()
    );
    print_coverage(&coverage);
    if let Some((seed, failed)) = failures.into_iter().min_by_key(|(seed, _)| *seed) {
        println!("{}", report::tell(&failed, seed, Duration::from_secs(30)).unwrap_or_default());
        return ExitCode::FAILURE;
    }
    let missed = coverage.missed();
    if n_seeds >= 20_000 && shape.is_none() && !missed.is_empty() {
        println!(
            "never reached: {}",
            missed.iter().map(|point| point.words()).collect::<Vec<_>>().join(", ")
        );
        return ExitCode::FAILURE;
    }
    println!("no rule broken");
    ExitCode::SUCCESS
}

struct Share {
    coverage: Coverage,
    failure: Option<(u64, Report)>,
    busy: Duration,
    n_steps: u64,
    n_seeds: u64,
}

fn work(seeds: impl Iterator<Item = u64>, thread: u64, n_threads: u64) -> Share {
    let start = cpu_time();
    let mut share =
        Share { coverage: Coverage::default(), failure: None, busy: Duration::ZERO, n_steps: 0, n_seeds: 0 };
    for seed in
        seeds.skip(usize::try_from(thread).unwrap_or(0)).step_by(usize::try_from(n_threads).unwrap_or(1))
    {
        let report = run_seed(seed, Keep::Hash);
        share.n_seeds += 1;
        share.coverage.add(&report.coverage);
        share.n_steps += report.n_steps;
        if report.violation.is_some() {
            share.failure = Some((seed, report));
            break;
        }
    }
    share.busy = cpu_time().saturating_sub(start);
    share
}

/// What this thread has used of a core, as Linux counts it.
fn cpu_time() -> Duration {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(counted.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

/// Runs on past failures and tells how often each rule broke, with the shortest run that broke it.
fn survey(seeds: impl Iterator<Item = u64>) -> ExitCode {
    let mut broken: BTreeMap<String, (u64, u64, u64, String)> = BTreeMap::new();
    for seed in seeds {
        let report = run_seed(seed, Keep::Hash);
        let Some(violation) = report.violation else { continue };
        let words: String = violation.what.chars().filter(|it| !it.is_ascii_digit()).take(45).collect();
        let entry =
            broken.entry(format!("{} {words}", violation.rule)).or_insert((0, u64::MAX, seed, String::new()));
        entry.0 += 1;
        if report.n_steps < entry.1 {
            (entry.1, entry.2, entry.3) = (report.n_steps, seed, violation.what);
        }
    }
    for (name, (n, n_steps, seed, what)) in &broken {
        println!(
            "{n:>6} times {}, seed {seed} in {n_steps} steps: {}",
            &name[..3],
            what.chars().take(400).collect::<String>()
        );
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Fails at the first rule that a kept line or a seed breaks and says no more of it: for faults that were
/// planted.
fn hunt(seeds: impl Iterator<Item = u64>) -> ExitCode {
    let kept =
        seeds::kept().into_iter().filter_map(|line| Some((line.origin.clone(), seeds::replay(&line)?)));
    let fresh = seeds.filter_map(|seed| Some((seed.to_string(), run_seed(seed, Keep::Hash).violation?)));
    match kept.chain(fresh).next() {
        Some((origin, violation)) => {
            println!("{origin} breaks {}: {}", violation.rule, violation.what);
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

fn show(seed: u64, trace: bool) -> ExitCode {
    let report = run_seed(seed, if trace { Keep::Lines } else { Keep::Hash });
    println!("{:?}", report.options);
    report.lines.iter().for_each(|line| println!("{line}"));
    println!("{} steps, trace hash {:016x}", report.n_steps, report.hash);
    match report::tell(&report, seed, Duration::from_secs(if trace { 0 } else { 30 })) {
        Some(text) => {
            println!("{text}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

/// The story of the kept lines of this origin, such as `seed:17`.
fn show_kept(origin: &str) -> ExitCode {
    let mut code = ExitCode::from(2);
    for line in seeds::kept().iter().filter(|line| line.origin == origin) {
        let report = run_choices(&line.choices, Keep::Lines);
        println!("{:?}", report.options);
        report.lines.iter().for_each(|line| println!("{line}"));
        match &report.violation {
            Some(violation) => println!("breaks {}: {}", violation.rule, violation.what),
            None => println!("breaks nothing"),
        }
        code = ExitCode::from(u8::from(report.violation.is_some()));
    }
    code
}

fn print_coverage(coverage: &Coverage) {
    for point in Point::ALL {
        println!("{:>10}  {}", coverage.count(*point), point.words());
    }
}
