//! The rules that hold at every step: one id and one sentence each, shared by the core's assertions, the
//! simulator's oracle and counters.

/// A rule. Break one and a record is lost, repeated, reordered or stranded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Commits and open records.
    W1,
    /// The ways to finish.
    W2,
    /// Where an idle track stands.
    W3,
    /// Written and synced.
    W4,
    /// What is told to be durable.
    W5,
    /// Order of a key.
    O1,
    /// Lanes of an attempt.
    O2,
    /// Limits of a batch.
    B1,
    /// Reasons of a batch.
    B2,
    /// Cuts that last.
    B3,
    /// The retry limit.
    R1,
    /// The age limit.
    R2,
    /// Poison and its destination.
    R3,
    /// What no function can be given.
    R4,
    /// Repeats and their causes.
    D2,
    /// Settlements of a receipt.
    Q1,
    /// Receipts of an attempt.
    Q2,
    /// Hiding what is held.
    Q3,
    /// Behind a lapsed message of a group.
    Q4,
    /// Nothing hidden after a stop.
    Q5,
    /// Credits for receives.
    Q6,
    /// What is left and what is shown at once.
    Q7,
    /// Epochs of the store.
    F1,
    /// New work while the store fails.
    F2,
    /// Slots of the gate.
    G1,
    /// The rate limit.
    G2,
    /// Children and parents.
    T1,
    /// No start at the wrong end.
    P1,
    /// Closing, and new plans.
    C1,
    /// Closing one track.
    C2,
    /// What waits for an operator.
    E1,
    /// What an operator decides.
    E2,
    /// Windows of an attempt.
    A1,
    /// The end of a window.
    A2,
    /// What a state speaks of.
    A3,
    /// Windows that stay open.
    A4,
    /// Windows at the end of a track.
    A5,
    /// Liveness.
    L1,
    /// Determinism.
    D1,
    /// Waiting with a free slot.
    S1,
    /// What fails for ever.
    S2,
    /// Many failures in a row.
    S3,
    /// The rate after a throttle.
    S4,
    /// Pauses.
    S5,
    /// Held bytes.
    N1,
    /// Records ahead of the watermark.
    N2,
    /// Commits and finished records.
    N3,
    /// Notices and their checkpoint.
    N4,
    /// Counters.
    N5,
    /// Counts that are told.
    N6,
    /// Limits of a batch in retry.
    N7,
    /// Reading order within an attempt.
    N8,
    /// States that are told.
    N9,
}

impl Rule {
    /// Every rule, in the order of the table.
    pub const ALL: [Self; 53] = [
        Self::W1,
        Self::W2,
        Self::W3,
        Self::W4,
        Self::W5,
        Self::O1,
        Self::O2,
        Self::B1,
        Self::B2,
        Self::B3,
        Self::R1,
        Self::R2,
        Self::R3,
        Self::R4,
        Self::D2,
        Self::Q1,
        Self::Q2,
        Self::Q3,
        Self::Q4,
        Self::Q5,
        Self::Q6,
        Self::Q7,
        Self::F1,
        Self::F2,
        Self::G1,
        Self::G2,
        Self::T1,
        Self::P1,
        Self::C1,
        Self::C2,
        Self::E1,
        Self::E2,
        Self::A1,
        Self::A2,
        Self::A3,
        Self::A4,
        Self::A5,
        Self::L1,
        Self::D1,
        Self::S1,
        Self::S2,
        Self::S3,
        Self::S4,
        Self::S5,
        Self::N1,
        Self::N2,
        Self::N3,
        Self::N4,
        Self::N5,
        Self::N6,
        Self::N7,
        Self::N8,
        Self::N9,
    ];

    /// Its id, as it stands in logs, traces and `seeds.txt`.
    pub const fn id(self) -> &'static str {
        match self {
            Self::W1 => "W-1",
            Self::W2 => "W-2",
            Self::W3 => "W-3",
            Self::W4 => "W-4",
            Self::W5 => "W-5",
            Self::O1 => "O-1",
            Self::O2 => "O-2",
            Self::B1 => "B-1",
            Self::B2 => "B-2",
            Self::B3 => "B-3",
            Self::R1 => "R-1",
            Self::R2 => "R-2",
            Self::R3 => "R-3",
            Self::R4 => "R-4",
            Self::D2 => "D-2",
            Self::Q1 => "Q-1",
            Self::Q2 => "Q-2",
            Self::Q3 => "Q-3",
            Self::Q4 => "Q-4",
            Self::Q5 => "Q-5",
            Self::Q6 => "Q-6",
            Self::Q7 => "Q-7",
            Self::F1 => "F-1",
            Self::F2 => "F-2",
            Self::G1 => "G-1",
            Self::G2 => "G-2",
            Self::T1 => "T-1",
            Self::P1 => "P-1",
            Self::C1 => "C-1",
            Self::C2 => "C-2",
            Self::E1 => "E-1",
            Self::E2 => "E-2",
            Self::A1 => "A-1",
            Self::A2 => "A-2",
            Self::A3 => "A-3",
            Self::A4 => "A-4",
            Self::A5 => "A-5",
            Self::L1 => "L-1",
            Self::D1 => "D-1",
            Self::S1 => "S-1",
            Self::S2 => "S-2",
            Self::S3 => "S-3",
            Self::S4 => "S-4",
            Self::S5 => "S-5",
            Self::N1 => "N-1",
            Self::N2 => "N-2",
            Self::N3 => "N-3",
            Self::N4 => "N-4",
            Self::N5 => "N-5",
            Self::N6 => "N-6",
            Self::N7 => "N-7",
            Self::N8 => "N-8",
            Self::N9 => "N-9",
        }
    }

    /// What it says.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::W1 => "no commit passes an open record, and none goes back",
            Self::W2 => {
                "a record is finished by success, by filter, by delivery, by a setting that discards (counted), by an operator who skips it \
                 (counted), or because the source dropped it (counted); by nothing else"
            }
            Self::W3 => "a track without open records stands at `passed`",
            Self::W4 => {
                "what is finished goes to the store once the commit before is written; only a retry, a notice, an end and a close wait for its sync"
            }
            Self::W5 => {
                "how far a track is durable is told as soon as it is so, never before, and never backwards"
            }
            Self::O1 => "records of one key are never in flight twice and never overtake",
            Self::O2 => "an attempt holds all its lanes; no lane is held twice",
            Self::B1 => "a batch keeps its record and byte limits, unless it is a single record",
            Self::B2 => "a fresh batch has the count, the bytes or the age that its reason names",
            Self::B3 => {
                "where cuts are to last, an attempt holds what a durable slice of its lane holds, from its first record to its last"
            }
            Self::R1 => {
                "no attempt beyond the retry limit; halving and not reaching the function spend none; a track's counts survive a crash"
            }
            Self::R2 => "no record older than the limit is tried",
            Self::R3 => {
                "if failures are a pure function of the record, the destination gets exactly the poison, at a bounded number of calls"
            }
            Self::R4 => {
                "a record that no function can be given is never in an attempt, and given up for what it is"
            }
            Self::D2 => "a second success of a record has a cause in the log, and per cause at most the span",
            Self::Q1 => {
                "a receipt has at most one settlement open and at most one that took effect; nothing is deleted that was not finished"
            }
            Self::Q2 => "an attempt begins only with receipts that the queue still honours",
            Self::Q3 => {
                "no message comes again while it is held or tried, unless its extensions failed or came too late"
            }
            Self::Q4 => {
                "behind a message of a group that was lost before it was finished nothing of that group goes on"
            }
            Self::Q5 => {
                "after a close nothing stays hidden that is not running, was not left, and whose receives do not forbid it"
            }
            Self::Q6 => {
                "no more is received than the function can start; while there is room a receive is open, and no more than may be while \
                 the queue is empty"
            }
            Self::Q7 => "what failed is left to its queue's own time; what was not tried is shown at once",
            Self::F1 => "the store accepts nothing under an epoch below the highest granted",
            Self::F2 => {
                "while its store fails a track takes no new work: nothing is read, nothing is tried for the first time"
            }
            Self::G1 => "never more in flight than the gate allows; every slot comes back",
            Self::G2 => {
                "no attempt begins before the rate limit lets it, ramp and debt included; a second after it does one begins"
            }
            Self::T1 => "a child track starts only after all its parents ended",
            Self::P1 => "a start at LATEST or TRIM_HORIZON only when no position ever existed",
            Self::C1 => {
                "no invocation begins after a close was answered; a new plan holds from the next batch"
            }
            Self::C2 => {
                "nothing begins on a track that was closed; it is let go when all that ran of it is durable, at its time at the latest, and that \
                 is told once"
            }
            Self::E1 => {
                "what used up its attempts or its time waits where the mapping says so: without a decision nothing of it is tried, told, \
                 dropped or finished, nothing behind it on its lane begins, and it is on the list, over a restart too"
            }
            Self::E2 => {
                "a decision is carried out once and as it says, is durable when that is told, and changes nothing that does not wait for it"
            }
            Self::A1 => {
                "an attempt holds records of one tumbling window of its lane, late ones of the window before included, and carries what the \
                 finished records of that window left, or nothing before the first"
            }
            Self::A2 => {
                "a window ends once, with all that it carries, when everything tried of it is finished, nothing of it waits and time has passed \
                 its end or its track has; one whose state is too large ends early, before anything else of its lane is tried"
            }
            Self::A3 => {
                "a state speaks of exactly the finished records of its window, in a checkpoint too: over restarts no record counts twice and none \
                 is missing"
            }
            Self::A4 => "every window that began ends",
            Self::A5 => {
                "where the mapping says so, what is open at the end of a track goes on in the track that its source named, and in no other"
            }
            Self::L1 => {
                "when the function recovers or the plan is finite, everything is committed; a fresh record goes through"
            }
            Self::D1 => "the same seed gives the same run",
            Self::S1 => {
                "with a free slot no fresh record waits longer than its window and a second, and no other longer than its pause and a second; what is there is read"
            }
            Self::S2 => "a key, lane or track that fails for ever stops no other",
            Self::S3 => "a hundred failures in a row still end in a next try",
            Self::S4 => {
                "a second after the last failure, a receive that brings messages brings the rate back"
            }
            Self::S5 => "every pause is at least 0.8 of its backoff, or all of the time that was asked for",
            Self::N1 => {
                "held bytes are the sum of what is held; nothing is read beyond the limit but for the slices of a former life; at the end they are zero"
            }
            Self::N2 => "with `ahead_max` finished records ahead of its watermark a track is not read on",
            Self::N3 => "no commit forgets a finished record",
            Self::N4 => "a notice leaves only after the checkpoint that says given up is durable",
            Self::N5 => "every counter equals what happened",
            Self::N6 => {
                "attempts, notices and checkpoints say how often their records were tried and refused"
            }
            Self::N7 => "a batch in retry keeps the limits of its first attempt, over a restart too",
            Self::N8 => "an attempt holds the records of a track in reading order",
            Self::N9 => "what is told of the state of a track is so",
        }
    }

    /// The rule of this id.
    pub fn of_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.id() == id)
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id())
    }
}

/// Asserts a rule in debug builds; the message names it.
#[macro_export]
macro_rules! rule {
    ($rule:ident, $holds:expr) => {
        debug_assert!(
            $holds,
            "{}: {}",
            $crate::rules::Rule::$rule.id(),
            $crate::rules::Rule::$rule.sentence()
        )
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_found_by_its_id_and_no_id_is_used_twice() {
        for rule in Rule::ALL {
            assert_eq!(Rule::of_id(rule.id()), Some(rule));
        }
        assert_eq!(Rule::of_id("X-9"), None);
    }
}
