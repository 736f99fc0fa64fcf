//! What Forebay costs beside the least that the same work can cost: CPU per message from a queue to an HTTP function, against a loop of
//! receive, POST, delete through the same SDK. Both run as processes of their own against one ElasticMQ and one function.

mod contest;
mod cpu;
mod plain_loop;

use std::process::ExitCode;

const USAGE: &str = "usage: forebay-bench sqs [MESSAGES]";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["sqs"] => contest::run(30_000),
        ["sqs", n] => match n.parse() {
            Ok(n) => contest::run(n),
            Err(error) => return refuse(&format!("{n}: {error}\n{USAGE}")),
        },
        // What the contest starts.
        ["loop", endpoint, queue, function] => plain_loop::run(endpoint, queue, function),
        _ => return refuse(USAGE),
    }
    ExitCode::SUCCESS
}

fn refuse(text: &str) -> ExitCode {
    eprintln!("{text}");
    ExitCode::from(2)
}
