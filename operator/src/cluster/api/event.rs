//! What the event that tells of a condition says.

use anyray_crds::conditions::{ConditionType, Reason};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType};

/// Longest note of an event; the API refuses more than 1,024 bytes.
const MAX_NOTE_BYTES: usize = 1000;

/// What passes by itself, or is wanted so, is no warning.
const NORMAL_REASONS: [Reason; 7] = [
    Reason::ConfigPending,
    Reason::NoReadyPod,
    Reason::NotUsed,
    Reason::Progressing,
    Reason::Revoked,
    Reason::ScaledToZero,
    Reason::Suspended,
];

/// The event that tells of a condition.
pub(super) fn event(condition: &Condition) -> Event {
    let is_stalled = condition.type_ == ConditionType::Stalled.as_str();
    let is_normal = NORMAL_REASONS
        .iter()
        .any(|reason| condition.reason == reason.as_str());
    let is_well = !is_stalled && (condition.status == "True" || is_normal);
    let end = condition.message.floor_char_boundary(MAX_NOTE_BYTES);
    Event {
        type_: if is_well {
            EventType::Normal
        } else {
            EventType::Warning
        },
        reason: condition.reason.clone(),
        note: condition.message.get(..end).map(str::to_owned),
        action: condition.type_.clone(),
        secondary: None,
    }
}
