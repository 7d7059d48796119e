//! Issues and escalations (DESIGN §4 "Issues").

use std::sync::Arc;

use botwatch_core::{diag::Span, model::Duration, yaml::Reader};

use super::Matchers;
use crate::config::value::{At, over_zero, section};

section! {
    /// How issues are kept.
    pub struct Issues("`issues`", "issues", check Issues::check) {
        /// An alert that fires again within this time after its end continues its issue.
        reopen_within: At<Duration>,
        /// What was resolved by hand though it still fires is open again after this time.
        still_firing_after: At<Duration>,
        /// How long an acknowledgement holds when it doesn't say.
        acknowledged_for: At<Duration>,
        /// Resolved issues that are kept.
        resolved_max: At<u64>,
    }
}

section! {
    /// Who is told when nobody answers.
    pub struct Escalation("an escalation", "escalations[]", check Escalation::check) {
        /// Its name.
        name: At<Arc<str>>,
        /// The alerts that it is for.
        matchers: Matchers,
        /// In order of time.
        steps: Vec<Step>,
        /// What happens after the last step.
        repeat: Repeat,
        /// Names of time intervals in which it waits.
        quiet_hours: Vec<At<Arc<str>>>,
    }
}

section! {
    /// One step.
    pub struct Step("a step of an escalation", "escalations[].steps[]", check Step::check) {
        /// How long nobody has acknowledged the alert.
        after: At<Duration>,
        /// Who is told.
        receiver: At<Arc<str>>,
    }
}

section! {
    /// The last step again and again.
    pub struct Repeat("`repeat` of an escalation", "escalations[].repeat", check Repeat::check) {
        /// The first wait.
        every: At<Duration>,
        /// How many times longer each wait is than the one before.
        backoff: At<u64>,
        /// The longest wait.
        longest: At<Duration>,
        /// How often; without it until somebody answers.
        times: At<u64>,
    }
}

section! {
    /// What silences must be.
    pub struct Silences("`silences`", "silences", check Silences::check) {
        /// They may last so long at most.
        max_duration: At<Duration>,
        /// They must say why.
        require_comment: At<bool>,
    }
}

impl Silences {
    fn check(&self, reader: &mut Reader, _: Span) {
        over_zero(reader, "max_duration", &self.max_duration);
    }
}

impl Issues {
    fn check(&self, reader: &mut Reader, _: Span) {
        over_zero(reader, "still_firing_after", &self.still_firing_after);
        over_zero(reader, "acknowledged_for", &self.acknowledged_for);
    }
}

impl Escalation {
    fn check(&self, reader: &mut Reader, span: Span) {
        for key in ["name", "steps"].into_iter().filter(|key| self.lacks(&[key])) {
            let d = reader.error("missing-key", format!("an escalation has no `{key}`"), span);
            reader.report(d.label(format!("`{key}` is needed here")));
        }
    }
}

impl Step {
    fn check(&self, reader: &mut Reader, span: Span) {
        for key in ["after", "receiver"].into_iter().filter(|key| self.lacks(&[key])) {
            let d = reader.error("missing-key", format!("a step of an escalation has no `{key}`"), span);
            reader.report(d.label(format!("`{key}` is needed here")));
        }
        over_zero(reader, "after", &self.after);
    }
}

impl Repeat {
    fn check(&self, reader: &mut Reader, span: Span) {
        if self.lacks(&["every"]) {
            let d = reader.error("missing-key", "`repeat` of an escalation has no `every`", span);
            reader.report(d.label("`every` is needed here"));
        }
        over_zero(reader, "every", &self.every);
        if let Some(backoff) = self.backoff.as_ref().filter(|b| b.value == 0 || b.value > 100) {
            let d = backoff.error("invalid-value", "`backoff` must be a whole number from 1 to 100");
            reader.report(d.label("expected 1 for equal waits, 2 for waits that double"));
        }
        if let (Some(every), Some(longest)) = (&self.every, &self.longest)
            && longest.value < every.value
        {
            let message = format!("`longest` ({}) is shorter than `every` ({})", longest.value, every.value);
            reader.report(longest.error("invalid-value", message).label("expected a longer time"));
        }
    }
}
