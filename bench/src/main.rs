//! What Forebay costs beside the least that the same work can cost, in CPU time: a queue beside loops of
//! receive, POST, delete, through AWS's SDK and without it, a file beside a program that reads, renders and POSTs. Each
//! side is a process of its own, against one server and one function.

mod cpu;
mod file;
#[cfg(feature = "sqs")]
mod sqs;

use std::process::ExitCode;

const USAGE: &str = "usage: forebay-bench sqs [MESSAGES] | forebay-bench file [RECORDS [BATCH]]
file wants a single core: taskset -c 0 forebay-bench file";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        #[cfg(feature = "sqs")]
        ["sqs"] => sqs::run(30_000),
        #[cfg(feature = "sqs")]
        ["sqs", n] => match n.parse() {
            Ok(n) => sqs::run(n),
            Err(error) => return refuse(&format!("{n}: {error}\n{USAGE}")),
        },
        // What the contests start.
        #[cfg(feature = "sqs")]
        ["sdk-loop", endpoint, queue, function] => sqs::sdk_loop(endpoint, queue, function),
        #[cfg(feature = "sqs")]
        ["http-loop", endpoint, queue, function] => sqs::http_loop(endpoint, queue, function),
        ["post", path, address, batch] => {
            file::post(path, address, batch.parse().expect("a batch is a number"))
        }
        ["file", ..] => {
            let numbers: Result<Vec<usize>, _> = words[1..].iter().map(|it| it.parse()).collect();
            match numbers.as_deref() {
                Ok([]) => file::run(300_000, &file::BATCHES),
                Ok([n]) => file::run(*n, &file::BATCHES),
                Ok([n, batch]) => file::run(*n, &[*batch]),
                Ok(_) | Err(_) => return refuse(USAGE),
            }
        }
        _ => return refuse(USAGE),
    }
    ExitCode::SUCCESS
}

fn refuse(text: &str) -> ExitCode {
    eprintln!("{text}");
    ExitCode::from(2)
}
