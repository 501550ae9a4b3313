//! Why an object, or what it names, cannot be used: the reason and the message of a condition.

use anyray_crds::conditions::Reason;

/// What keeps an object from use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In one word.
    pub reason: Reason,
    /// What is wrong, where, and what to do.
    pub message: String,
}

impl Fault {
    /// A fault with its message.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}
