//! What a failing run prints: the rule, the world, a line for `seeds.txt`, and a scenario test that can be
//! pasted.

use std::fmt::Write as _;
use std::time::Duration;

use crate::choices::format_choices;
use crate::run_choices;
use crate::seeds::Line;
use crate::shrink::shrink;
use crate::trace::Keep;
use crate::world::Report;

const STORY_LINES_MAX: usize = 150;

/// Shrinks a failing run and tells all about it; `None` when it broke nothing.
pub fn tell(report: &Report, seed: u64, budget: Duration) -> Option<String> {
    let violation = report.violation.as_ref()?;
    let small = shrink(&report.choices, violation.rule, budget);
    let again = run_choices(&small, Keep::Lines);
    let shrunk = again.violation.as_ref().unwrap_or(violation);
    let line =
        Line { rule: violation.rule.to_string(), origin: format!("seed:{seed}"), choices: small.clone() };
    let mut text = String::new();
    let _ = writeln!(text, "seed {seed} breaks {}: {}", violation.rule, violation.rule.sentence());
    let _ = writeln!(text, "  {}", violation.what);
    let _ =
        writeln!(text, "shrunk from {} to {} choices: {}", report.choices.len(), small.len(), shrunk.what);
    let _ = writeln!(text, "options of the shrunk run: {:?}", again.options);
    let _ = writeln!(text, "\n--- line for tests/sim/seeds.txt\n{line}");
    let _ = writeln!(text, "\n--- scenario test for tests/sim/tests/scenarios.rs");
    let name = violation.rule.id().replace('-', "").to_lowercase();
    let _ = writeln!(text, "#[test]\nfn {name}_holds_in_the_world_of_seed_{seed}() {{");
    let _ = writeln!(text, "    holds(\n        \"{}\",\n        &[", format_choices(&small));
    for line in again.lines.iter().take(STORY_LINES_MAX) {
        let _ = writeln!(text, "            {line:?},");
    }
    let _ = writeln!(text, "        ],\n    );\n}}");
    Some(text)
}
