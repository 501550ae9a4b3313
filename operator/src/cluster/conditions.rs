//! Conditions of a status: merged so that a time moves only when its status does.

use std::collections::BTreeSet;

use anyray_crds::conditions::{ConditionType, Reason};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

/// Longest message, in bytes. The API allows 32,768; people read less.
const MAX_MESSAGE_BYTES: usize = 1024;

/// Whether something is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It is.
    True,
    /// It is not.
    False,
    /// It cannot be told at present.
    Unknown,
}

impl Truth {
    fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// What is found about one condition, before it is merged into a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// About what.
    pub type_: ConditionType,
    /// Whether it is so.
    pub truth: Truth,
    /// Why.
    pub reason: Reason,
    /// For people: what, where and what to do. Never a value of a Secret.
    pub message: String,
}

impl Finding {
    /// It is so.
    pub fn yes(type_: ConditionType, reason: Reason, message: impl Into<String>) -> Self {
        Self::new(type_, Truth::True, reason, message)
    }

    /// It is not so.
    pub fn no(type_: ConditionType, reason: Reason, message: impl Into<String>) -> Self {
        Self::new(type_, Truth::False, reason, message)
    }

    /// With any truth.
    pub fn new(
        type_: ConditionType,
        truth: Truth,
        reason: Reason,
        message: impl Into<String>,
    ) -> Self {
        Self {
            type_,
            truth,
            reason,
            message: message.into(),
        }
    }

    /// Whether it is so for certain.
    pub fn is_true(&self) -> bool {
        self.truth == Truth::True
    }

    /// The same, but with another truth.
    pub fn with(self, truth: Truth) -> Self {
        Self { truth, ..self }
    }

    /// The same truth, reason and message, about something else.
    pub fn about(&self, type_: ConditionType) -> Self {
        Self {
            type_,
            ..self.clone()
        }
    }
}

/// The conditions of a new status: the findings, in their order, and nothing else.
pub fn merge(
    previous: &[Condition],
    findings: &[Finding],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let conditions = findings.iter().map(|finding| {
        let before = find(previous, finding.type_);
        let unchanged = before.filter(|before| before.status == finding.truth.as_str());
        Condition {
            type_: finding.type_.as_str().to_owned(),
            status: finding.truth.as_str().to_owned(),
            reason: finding.reason.as_str().to_owned(),
            message: truncate(&finding.message).to_owned(),
            observed_generation: generation,
            last_transition_time: unchanged
                .map_or(Time(now), |before| before.last_transition_time.clone()),
        }
    });
    conditions.collect()
}

/// A condition by its type.
pub fn find(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    conditions
        .iter()
        .find(|condition| condition.type_ == type_.as_str())
}

/// Whether a condition is there and true.
pub fn is_true(conditions: &[Condition], type_: ConditionType) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status == "True")
}

/// The conditions that say something else than before: each is worth an event.
///
/// Several conditions have one cause, and then one reason: the first of them tells it.
/// `Reconciling` has its reason from another condition, and what is gone needs no event.
pub fn transitions<'a>(previous: &[Condition], current: &'a [Condition]) -> Vec<&'a Condition> {
    let mut told = BTreeSet::new();
    let is_news = |condition: &&'a Condition| {
        let before = previous
            .iter()
            .find(|before| before.type_ == condition.type_);
        let is_same = before.is_some_and(|before| {
            before.status == condition.status && before.reason == condition.reason
        });
        !is_same
            && condition.type_ != ConditionType::Reconciling.as_str()
            && told.insert(condition.reason.as_str())
    };
    current.iter().filter(is_news).collect()
}

fn truncate(message: &str) -> &str {
    let end = message.floor_char_boundary(MAX_MESSAGE_BYTES);
    message.get(..end).unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn ready(truth: Truth, reason: Reason) -> Finding {
        Finding::new(ConditionType::Ready, truth, reason, "told")
    }

    #[test]
    fn a_time_moves_only_when_the_status_does() {
        let first = merge(
            &[],
            &[ready(Truth::False, Reason::Progressing)],
            Some(1),
            at(1),
        );
        let same = merge(
            &first,
            &[ready(Truth::False, Reason::NoReadyPod)],
            Some(2),
            at(2),
        );
        assert_eq!(same.first().expect("one").last_transition_time.0, at(1));
        assert_eq!(same.first().expect("one").observed_generation, Some(2));
        let other = merge(&same, &[ready(Truth::True, Reason::Ready)], Some(2), at(3));
        assert_eq!(other.first().expect("one").last_transition_time.0, at(3));
    }

    #[test]
    fn only_another_status_or_reason_is_news() {
        let first = merge(
            &[],
            &[ready(Truth::False, Reason::Progressing)],
            Some(1),
            at(1),
        );
        assert_eq!(transitions(&[], &first).len(), 1);
        let again = merge(
            &first,
            &[ready(Truth::False, Reason::Progressing)],
            Some(2),
            at(2),
        );
        assert!(transitions(&first, &again).is_empty());
        let other = merge(
            &first,
            &[ready(Truth::False, Reason::NoReadyPod)],
            Some(2),
            at(2),
        );
        assert_eq!(transitions(&first, &other).len(), 1);
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let long = "é".repeat(MAX_MESSAGE_BYTES);
        let finding = Finding::no(ConditionType::Accepted, Reason::Invalid, long);
        let merged = merge(&[], &[finding], None, at(1));
        assert_eq!(
            merged.first().expect("one").message.len(),
            MAX_MESSAGE_BYTES
        );
    }
}
