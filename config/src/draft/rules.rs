//! The rules between settings: what each says in our words, and how Lambda's API refuses the same where it
//! has a sentence of its own.

use super::judge::Judge;
use crate::error::{AwsStep, Code, Finding};
use crate::profile::{Setting, SourceShape};
use crate::settings::{self, SettingSpec};

/// The shortest `maximum_record_age_in_seconds` but -1.
const RECORD_AGE_MIN: i64 = 60;

impl Judge<'_> {
    /// Whether the settings go together.
    pub(super) fn rules(&mut self) {
        self.starts();
        self.large_batches();
        self.ages();
        self.destinations();
        self.partial_responses();
        self.exhausted();
        self.identity();
        self.windows();
        self.scale();
    }

    /// `starting_position` and its time.
    pub(super) fn starts(&mut self) {
        if !self.is_obeyed(&settings::STARTING_POSITION) {
            return;
        }
        let word = self.values.word(&settings::STARTING_POSITION);
        if word.is_none() && self.profile.is_some() {
            // It must be said, so that was told. Over the API some sources may leave it out.
            return;
        }
        let is_at_time = word == Some("AT_TIMESTAMP");
        let kind = self.profile.filter(|it| !it.settings.contains(&Setting::AtTimestamp)).map(|it| it.kind);
        if let (true, Some(kind)) = (is_at_time, kind) {
            let message = format!("Unsupported starting position for arn type: {kind}");
            let fix = "choose `TRIM_HORIZON` or `LATEST`";
            self.note(&settings::STARTING_POSITION, Code::UNSUPPORTED, message, fix);
        }
        let has_time = self.has(&settings::STARTING_POSITION_TIMESTAMP);
        if is_at_time && !has_time {
            let message = "`starting_position: AT_TIMESTAMP` needs `starting_position_timestamp`";
            let sentence = "StartingPositionTimestamp is required when StartingPosition is AT_TIMESTAMP.";
            if self.missing(&settings::STARTING_POSITION_TIMESTAMP, message) {
                self.as_aws(AwsStep::Position, sentence);
            }
        } else if has_time && !is_at_time {
            let message = "a time has a meaning only with `starting_position: AT_TIMESTAMP`";
            let fix = "remove it, or write `starting_position: AT_TIMESTAMP`";
            self.conflict(&settings::STARTING_POSITION_TIMESTAMP, message, fix);
            self.as_aws(
                AwsStep::Position,
                "StartingPositionTimestamp goes with StartingPosition AT_TIMESTAMP only.",
            );
        }
    }

    /// Some sources fill a large batch only in a window.
    fn large_batches(&mut self) {
        let size = self.values.integer(&settings::BATCH_SIZE);
        let window = self.values.duration(&settings::BATCHING_WINDOW);
        let most = self.profile.and_then(|it| it.batch_size_without_window_max);
        if let (Some(size), Some(window), Some(max)) = (size, window, most)
            && size > i64::from(max)
            // In whole seconds, as AWS counts: half a second is no window to it.
            && window.as_secs() < 1
        {
            let message = format!(
                "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than {max}"
            );
            let fix = format!(
                "write `maximum_batching_window_in_seconds: 1` or more, or `batch_size: {max}` or less"
            );
            self.conflict(&settings::BATCH_SIZE, message, fix);
        }
    }

    /// `-1`, or a minute and more.
    pub(super) fn ages(&mut self) {
        // The row's range begins at -1 for no limit; AWS leaves out what lies between it and a minute.
        let age = self.values.integer(&settings::RECORD_AGE);
        let Some(age) = age.filter(|it| (0..RECORD_AGE_MIN).contains(it)) else { return };
        let Some(asked) = self.draft.asked(&settings::RECORD_AGE) else { return };
        let (path, place) = (asked.origin.path.clone(), &asked.origin.value);
        let message = format!("must be -1, or from {RECORD_AGE_MIN} to 604800");
        let finding = Finding::new(Code::NOT_ALLOWED, path, place, message);
        self.findings.push(
            finding.fix(format!("write `-1` for no limit, or at least {RECORD_AGE_MIN}")).aws(
                AwsStep::Parameters,
                format!("MaximumRecordAgeInSeconds must be -1 or at least {RECORD_AGE_MIN}, not {age}"),
            ),
        );
    }

    fn destinations(&mut self) {
        if self.has(&settings::DROP_AFTER) && !self.has(&settings::DESTINATION_CONFIG) {
            let fix = "add `destination_config:`, or remove this setting";
            self.conflict(&settings::DROP_AFTER, "there is no destination that could refuse", fix);
        }
    }

    /// What has a meaning only while a function names the records that failed.
    fn partial_responses(&mut self) {
        let names_records = self.values.has_words(&settings::RESPONSE_TYPES);
        let fix = "add `function_response_types: [ReportBatchItemFailures]`, or remove this setting";
        if self.values.is_on(&settings::FIFO_STOP) {
            let other = self.profile.filter(|it| it.shape != SourceShape::GroupQueue).map(|it| it.kind);
            if let Some(kind) = other {
                let message = format!("a `{kind}` source has no ordered groups of messages");
                self.note(&settings::FIFO_STOP, Code::UNSUPPORTED, message, "remove it");
            } else if !names_records {
                let message = "without partial responses a batch fails as a whole";
                self.conflict(&settings::FIFO_STOP, message, fix);
            }
        }
        if self.values.is_on(&settings::ITEM_ACTIONS) && !names_records {
            let message =
                "without partial responses the function names no record that it could ask something for";
            self.conflict(&settings::ITEM_ACTIONS, message, fix);
        }
    }

    /// Only a window can go on.
    fn windows(&mut self) {
        let is_any = self.values.integer(&settings::TUMBLING_WINDOW).is_some_and(|it| it > 0);
        if self.values.is_on(&settings::CARRIED_WINDOWS)
            && !is_any
            && self.is_obeyed(&settings::CARRIED_WINDOWS)
        {
            let message = "there is no tumbling window that could go on";
            let fix = "add `tumbling_window_in_seconds:`, or remove this setting";
            self.conflict(&settings::CARRIED_WINDOWS, message, fix);
        }
    }

    /// What is used up waits for an operator where nobody else ends it, and where anything is ever used up.
    fn exhausted(&mut self) {
        if self.values.word(&settings::ON_EXHAUSTED) != Some("pause") {
            return;
        }
        let is_endless = |spec| self.values.integer(spec) == Some(-1);
        let queue = self.profile.filter(|it| it.shape != SourceShape::Tracks).map(|it| it.kind);
        if let Some(kind) = queue {
            let message = format!(
                "a `{kind}` source has a redrive policy that takes away what always fails: nothing of it waits for an operator"
            );
            let fix = "remove it, and give the queue a redrive policy";
            self.note(&settings::ON_EXHAUSTED, Code::UNSUPPORTED, message, fix);
        } else if is_endless(&settings::RETRY_ATTEMPTS) && is_endless(&settings::RECORD_AGE) {
            let message = "records are tried without end, so nothing is ever used up and nothing would pause";
            let fix =
                "add `maximum_retry_attempts` or `maximum_record_age_in_seconds`, or remove this setting";
            self.conflict(&settings::ON_EXHAUSTED, message, fix);
        }
    }

    /// A batch is named by where it lies.
    fn identity(&mut self) {
        let is_durable = self.values.word(&settings::BATCH_IDENTITY) == Some("durable");
        let queue = self.profile.filter(|it| is_durable && it.shape != SourceShape::Tracks).map(|it| it.kind);
        if let Some(kind) = queue {
            let message = format!(
                "a `{kind}` source has no positions by which a batch could be named: its messages come again in other batches"
            );
            let fix = "remove it, and tell messages apart by their ids";
            self.note(&settings::BATCH_IDENTITY, Code::UNSUPPORTED, message, fix);
        } else if is_durable && self.values.is_on(&settings::ITEM_ACTIONS) {
            let message =
                "a record that a function rejects leaves a hole in its batch, which is another one then";
            let fix = "remove `batch_item_actions`, or remove this setting";
            self.conflict(&settings::BATCH_IDENTITY, message, fix);
        }
    }

    /// How far a mapping scales is said in one way.
    pub(super) fn scale(&mut self) {
        let pollers = [&settings::MINIMUM_POLLERS, &settings::MAXIMUM_POLLERS];
        let [min, max] = pollers.map(|spec| self.values.integer(spec));
        if self.values.of(&settings::SCALING_CONFIG).is_some()
            && self.values.of(&settings::PROVISIONED_POLLERS).is_some()
        {
            let message = "`scaling_config` and `provisioned_poller_config` exclude each other";
            self.conflict(&settings::SCALING_CONFIG, message, "keep one of them");
            self.as_aws(
                AwsStep::Parameters,
                "ScalingConfig and ProvisionedPollerConfig cannot be used together.",
            );
        }
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            let message = "`minimum_pollers` is more than `maximum_pollers`";
            let fix = "lower it, or raise `maximum_pollers`";
            self.conflict(&settings::MINIMUM_POLLERS, message, fix);
            self.as_aws(AwsStep::Parameters, "MinimumPollers cannot be greater than MaximumPollers.");
        }
    }

    fn has(&self, spec: &SettingSpec) -> bool {
        self.draft.asked(spec).is_some()
    }

    /// Notes that a setting contradicts another.
    fn conflict(&mut self, spec: &SettingSpec, message: impl Into<String>, fix: impl Into<String>) {
        self.note(spec, Code::CONFLICT, message, fix);
    }

    fn note(&mut self, spec: &SettingSpec, code: Code, message: impl Into<String>, fix: impl Into<String>) {
        let (path, place) = self.spot(spec);
        self.findings.push(Finding::new(code, path, &place, message).fix(fix));
    }

    /// Says how Lambda's API refuses what was noted last.
    fn as_aws(&mut self, step: AwsStep, sentence: &str) {
        if let Some(last) = self.findings.pop() {
            self.findings.push(last.aws(step, sentence));
        }
    }
}
