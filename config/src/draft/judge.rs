//! Judges each setting by its row: whether the source obeys it, its range, its default. Rules between
//! settings are for [`rules`](super::rules).

use super::{Draft, RequestedSetting, SettingOrigin, SettingValue, Values, is_whole};
use crate::document::SourceSpan;
use crate::error::{AwsStep, Code, Finding, join};
use crate::fields::{beyond, validation};
use crate::profile::{SourceProfile, SourceShape};
use crate::settings::{self, DefaultValue, SettingSpec, Shape, seconds};

/// What is known of a draft so far.
pub(super) struct Judge<'d> {
    pub(super) draft: &'d Draft,
    /// `None` while the kind of source is not known; then nothing is refused on its account.
    pub(super) profile: Option<&'static SourceProfile>,
    pub(super) values: Values,
    pub(super) findings: Vec<Finding>,
}

impl<'d> Judge<'d> {
    pub(super) fn new(draft: &'d Draft, profile: Option<&'static SourceProfile>) -> Self {
        Self { draft, profile, values: Values::default(), findings: Vec::new() }
    }

    /// Judges every setting.
    pub(super) fn all(&mut self) {
        for spec in settings::rows() {
            let is_single = !matches!(spec.shape, Shape::Source) && spec.path != settings::NAME.path;
            if is_single && self.is_within_reach(spec) {
                self.judge(spec);
            }
        }
    }

    /// Whether it stands at the top, or in a map that is there and read by its members.
    fn is_within_reach(&self, spec: &SettingSpec) -> bool {
        let Some((parent, _)) = spec.path.rsplit_once('.') else { return false };
        if parent == super::read::TOP {
            return true;
        }
        self.values.has(parent) && settings::rows().any(|it| it.path == parent && !is_whole(it))
    }

    /// Judges one setting.
    pub(super) fn judge(&mut self, spec: &'static SettingSpec) {
        let asked = self.draft.asked(spec);
        let value = match asked {
            Some(asked) if self.refuses(spec, asked) => None,
            Some(RequestedSetting { value: Err(findings), .. }) => {
                self.findings.extend(findings.iter().cloned().map(|it| in_aws_words(spec, it)));
                // What is wrong with its members is told too.
                matches!(spec.shape, Shape::Group).then_some(SettingValue::Group)
            }
            Some(RequestedSetting { value: Ok(value), origin }) => {
                self.keeps_range(spec, value, origin).then(|| value.clone())
            }
            None => {
                self.miss(spec);
                None
            }
        };
        // Where it is wrong its default stands in, so that the rules between settings can still be judged.
        if let Some(value) = value.or_else(|| self.default_of(spec)) {
            self.values.put(spec, value);
        }
    }

    pub(super) fn is_obeyed(&self, spec: &SettingSpec) -> bool {
        let (Some(needed), Some(profile)) = (spec.needs, self.profile) else { return true };
        profile.settings.contains(&needed)
    }

    /// Whether the source does not obey the setting, which is a finding.
    fn refuses(&mut self, spec: &SettingSpec, asked: &RequestedSetting) -> bool {
        let Some(profile) = self.profile.filter(|_| !self.is_obeyed(spec)) else { return false };
        let is_window_of_groups =
            spec.key() == settings::BATCHING_WINDOW.key() && profile.shape == SourceShape::GroupQueue;
        // AWS shows it so for such a mapping: no window, which is what a FIFO queue has.
        if is_window_of_groups && asked.value == Ok(SettingValue::Millis(0)) {
            return true;
        }
        let message = if is_window_of_groups {
            "Batching window is not supported for FIFO queues".to_owned()
        } else {
            let name = spec.aws.map_or_else(|| spec.key(), |it| it.top());
            format!("Unsupported {name} parameter for given event source mapping type.")
        };
        let fix = format!("remove `{}`: a `{}` source cannot obey it", spec.key(), profile.kind);
        let SettingOrigin { path, key, .. } = &asked.origin;
        self.findings.push(Finding::new(Code::UNSUPPORTED, path.clone(), key, message).fix(fix));
        true
    }

    /// Whether a number is within its range, and a list of words no longer than there are words; a finding
    /// where not.
    fn keeps_range(&mut self, spec: &SettingSpec, value: &SettingValue, origin: &SettingOrigin) -> bool {
        let aws_name = spec.aws_member();
        let (message, fix) = match (spec.shape, value) {
            (Shape::Integer { min, max }, SettingValue::Integer(number)) => {
                let most = spec.most.zip(self.profile).map_or(max, |(most, profile)| most(profile).min(max));
                if (min..=most).contains(number) {
                    return true;
                }
                let (least, most) = (min.to_string(), most.to_string());
                beyond(aws_name.as_deref(), &origin.shown, *number < min, &least, &most)
            }
            (Shape::Seconds { min_ms, max_ms }, SettingValue::Millis(millis)) => {
                let is_below = *millis < min_ms.cast_signed();
                if !is_below && *millis <= max_ms.cast_signed() {
                    return true;
                }
                let (least, most) = (seconds(min_ms), seconds(max_ms));
                beyond(aws_name.as_deref(), &origin.shown, is_below, &least, &most)
            }
            (Shape::Words(known), SettingValue::Words(words)) if words.len() > known.len() => {
                let name = aws_name.unwrap_or_else(|| spec.key().to_owned());
                let must = format!("have length less than or equal to {}", known.len());
                let message = validation(&format!("[{}]", words.join(", ")), &name, &must);
                (message, Some("write it once".to_owned()))
            }
            // Only these shapes have a range; whatever else was read was judged by being read.
            (_, _) => return true,
        };
        let mut finding = Finding::new(Code::NOT_ALLOWED, origin.path.clone(), &origin.value, message);
        finding.fix = fix;
        self.findings.push(finding);
        false
    }

    /// Notes that a setting is missing which every source that has it needs.
    fn miss(&mut self, spec: &'static SettingSpec) {
        let must_be_there = matches!(spec.default, DefaultValue::RequiredWhereAllowed)
            && self.profile.is_some()
            && self.is_obeyed(spec);
        if !must_be_there {
            return;
        }
        let name = spec.aws_member().unwrap_or_else(|| spec.key().to_owned());
        let message = format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null."
        );
        self.missing(spec, message);
    }

    /// Notes that a setting is missing, in the given words; not where another word was a slip for it.
    pub(super) fn missing(&mut self, spec: &SettingSpec, message: impl Into<String>) -> bool {
        let is_missing = self.draft.is_map && !self.draft.gaps.contains(&spec.key());
        if is_missing {
            let path = join(&self.draft.path, spec.key());
            let finding = Finding::new(Code::MISSING, path, &self.draft.place, message);
            self.findings.push(finding.fix(format!("add `{}:`", spec.key())));
        }
        is_missing
    }

    fn default_of(&self, spec: &SettingSpec) -> Option<SettingValue> {
        let number = |value: i64| {
            let is_time = matches!(spec.shape, Shape::Seconds { .. });
            if is_time { SettingValue::Millis(value) } else { SettingValue::Integer(value) }
        };
        match spec.default {
            DefaultValue::Integer(value) => Some(number(value)),
            DefaultValue::Millis(millis) => Some(number(millis.cast_signed())),
            // Without a known kind there is none, and rules that need the value are not judged: one mistake,
            // one finding.
            DefaultValue::OfSource(of) => self.profile.map(|it| number(of(it))),
            DefaultValue::Switch(is_on) => Some(SettingValue::Switch(is_on)),
            DefaultValue::Word(word) => Some(SettingValue::Word(word)),
            DefaultValue::Required
            | DefaultValue::RequiredWhereAllowed
            | DefaultValue::Absent(_)
            | DefaultValue::Texts(_) => None,
        }
    }

    /// Where a setting is asked for, else the mapping, and its path.
    pub(super) fn spot(&self, spec: &SettingSpec) -> (String, SourceSpan) {
        match self.draft.asked(spec) {
            Some(it) => (it.origin.path.clone(), it.origin.key.clone()),
            None => (join(&self.draft.path, spec.key()), self.draft.place.clone()),
        }
    }
}

/// Every mistake in a filter has one sentence at AWS.
fn in_aws_words(spec: &SettingSpec, finding: Finding) -> Finding {
    match spec.path == settings::FILTER_CRITERIA.path && finding.aws.is_none() {
        true => finding.aws(AwsStep::Filters, "Invalid filter pattern definition."),
        false => finding,
    }
}
