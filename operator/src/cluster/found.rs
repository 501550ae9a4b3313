//! What was found where the operator is to keep a Secret of its own making.

/// What there is of the name that a Secret is to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Found<T> {
    /// Nothing.
    #[default]
    Absent,
    /// A Secret that somebody else has made, or that holds something else.
    Foreign,
    /// The Secret that was made for the object.
    Ours {
        /// Its `metadata.uid`.
        uid: Option<String>,
        /// What is known of its content.
        content: T,
    },
}

impl<T> Found<T> {
    /// What is known of the content of the Secret that was made for the object.
    pub fn ours(&self) -> Option<&T> {
        match self {
            Self::Ours { content, .. } => Some(content),
            Self::Absent | Self::Foreign => None,
        }
    }
}
