//! `seeds.txt`: runs that once broke a rule, replayed before anything else.

use crate::choices::{format_choices, parse_choices};
use crate::oracle::Violation;
use crate::run_choices;
use crate::trace::Keep;

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The rule that it broke.
    pub rule: String,
    /// Where it comes from: a seed, a commit.
    pub origin: String,
    /// The run.
    pub choices: Vec<u32>,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.rule, self.origin, format_choices(&self.choices))
    }
}

/// The lines kept with the simulator.
///
/// # Panics
/// When the file holds a line that is none: it is compiled in and tested.
pub fn kept() -> Vec<Line> {
    include_str!("../seeds.txt")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(parse)
        .collect()
}

/// Replays a line; what it breaks, if it still does.
pub fn replay(line: &Line) -> Option<Violation> {
    run_choices(&line.choices, Keep::Hash).violation
}

fn parse(line: &str) -> Line {
    let mut words = line.split_whitespace();
    let (rule, origin) =
        (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let choices = parse_choices(words.next().unwrap_or_default())
        .unwrap_or_else(|| panic!("seeds.txt: not a line: {line}"));
    Line { rule, origin, choices }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let line = Line { rule: "W-1".into(), origin: "seed:17".into(), choices: vec![1, 0, 0, 0, 4] };
        assert_eq!(parse(&line.to_string()), line);
    }
}
