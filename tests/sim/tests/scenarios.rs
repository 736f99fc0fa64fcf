//! Runs that taught something, each with its story: what went in and what the core asked for when the rule
//! broke.

use forebay_sim::choices::parse_choices;
use forebay_sim::run_choices;
use forebay_sim::trace::Keep;

#[test]
fn a_message_too_large_for_any_event_is_handed_to_the_destination_once() {
    holds(
        "1,1,0*13,1,0,0,1,0*6,1,0*3,1,0*19,1,0*17,1",
        &[
            "Append { track: 0, n: 1 }",
            "read 1 brings 1 records, 0 filtered, passed None",
            "slot 1",
            "  -> deliver 8 PayloadTooLarge [r0(0)]",
            "  -> deliver 9 PayloadTooLarge [r0(0)]",
        ],
    );
}

#[test]
fn a_batch_of_two_tracks_does_not_wait_for_the_one_that_was_fenced() {
    holds(
        "0*3,3,1,0,3,0*5,1,0*3,1,3,1,15,0*3,2,1,0,0,1,1,0,3,2,0,0,1,20021,0*32,1,2,89001,0,1,0,0,1,0*16,1,0*9,1,0,3,0,0,1,0*8,1,0*143,3",
        &[
            "Fence { track: 1 }",
            "outcome of a batch of records of both tracks: TooLarge",
            "  -> commit of each track, with the halves",
            "Committed { answer: Fenced } for one, Durable for the other",
            "no retry of the half that holds records of the other, ever",
        ],
    );
}

/// The run of these choices breaks no rule. `story` is how it once did.
fn holds(choices: &str, story: &[&str]) {
    let report = run_choices(&parse_choices(choices).expect("choices are numbers"), Keep::Lines);
    if let Some(violation) = report.violation {
        let (lines, story) = (report.lines.join("\n"), story.join("\n"));
        panic!(
            "{} is broken: {}\n{lines}\n--- it once went like this:\n{story}",
            violation.rule, violation.what
        );
    }
}
