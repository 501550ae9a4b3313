//! The words of every status: types of conditions and their reasons.
//!
//! The vocabulary is Gateway API's, with kstatus' `Reconciling` and `Stalled`.

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// The spec is valid and nothing stands in its way.
    Accepted,
    /// Every object that the spec names was found and is usable.
    ResolvedRefs,
    /// There is a code to redeem, or a key.
    Issued,
    /// Every ready pod runs the configuration that this spec asks for.
    Programmed,
    /// As many pods as wanted serve, all of the newest version.
    Available,
    /// All of it works: the one condition to wait for.
    Ready,
    /// Present and true while the operator or the cluster is at work on the object.
    Reconciling,
    /// Present and true while nothing goes on until a person acts.
    Stalled,
}

impl ConditionType {
    /// The type as it stands in `conditions[].type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::ResolvedRefs => "ResolvedRefs",
            Self::Issued => "Issued",
            Self::Programmed => "Programmed",
            Self::Available => "Available",
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
        }
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Why a condition has its status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// Every reason with what it means, for the reference.
            pub const ALL: &'static [(Reason, &'static str)] =
                &[$((Self::$name, concat!($($doc),+))),+];

            /// The reason as it stands in `conditions[].reason`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

reasons! {
    /// The spec is valid.
    Accepted,
    /// Everything that the spec names was found.
    ResolvedRefs,
    /// There is a code to redeem, or a key.
    Issued,
    /// The code was exchanged for a `ClientKey`.
    Redeemed,
    /// Every ready pod runs the configuration.
    Programmed,
    /// As many pods as wanted serve.
    Available,
    /// All of it works.
    Ready,
    /// It works, but not with everything that the spec names; see `ResolvedRefs`.
    PartiallyResolved,
    /// The operator or the cluster is at work.
    Progressing,
    /// The spec is not valid: the message says which field and why.
    Invalid,
    /// The stored object cannot be read by this operator, for example after a downgrade.
    Unreadable,
    /// An object of a needed name exists already and belongs to someone else.
    NameConflict,
    /// The keys of the gateway take more than a Secret holds.
    BundleTooLarge,
    /// A Secret that the spec names does not exist.
    SecretNotFound,
    /// The Secret has no such entry.
    KeyMissing,
    /// The entry of the Secret is empty.
    EmptyKey,
    /// The Secret holds no credential of its kind, such as an API key: printable ASCII without
    /// spaces; or no admin token: 16 to 256 printable characters without spaces.
    InvalidKey,
    /// A ConfigMap with certificates does not exist or has no such entry.
    CaBundleNotFound,
    /// The ConfigMap's entry holds no certificates that can be trusted.
    InvalidCaBundle,
    /// The endpoint of the ProviderKey has a wrong setting, or lacks one that the provider needs.
    InvalidEndpoint,
    /// The endpoint cannot be used by this gateway: see `egress`.
    EndpointNotAllowed,
    /// A routing rule names a ProviderKey that the gateway does not have.
    ProviderKeyNotFound,
    /// None of the ProviderKeys of the gateway can be used.
    NoUsableProviderKey,
    /// The gateway that the spec names does not exist.
    GatewayNotFound,
    /// The ProviderKey or `ClientKey` is suspended by its spec.
    Suspended,
    /// The time of the code or key is over.
    Expired,
    /// The code or key was taken out of use for good, or its Invite was.
    Revoked,
    /// No gateway selects the ProviderKey.
    NotUsed,
    /// A pod runs another configuration so far.
    ConfigPending,
    /// A pod refused the configuration and keeps its last good one.
    ConfigRejected,
    /// A pod does not answer the operator on its ops port.
    PodsUnreachable,
    /// No pod is ready.
    NoReadyPod,
    /// Zero pods are wanted.
    ScaledToZero,
    /// The cluster gave up waiting for new pods; the message has its words.
    ProgressDeadlineExceeded,
    /// The Kubernetes API refused or failed a step; the operator tries again.
    ApplyFailed,
}
