//! Why a command failed: what, where, and what to do.

use std::{error::Error, fmt, io};

/// Why a command failed. No variant holds a code, a key, or what a Secret holds.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The arguments do not fit together.
    #[error("{0}")]
    Usage(String),
    /// There is no cluster to be found.
    #[error(
        "cannot find a cluster: name a file by --kubeconfig or KUBECONFIG, and one of its contexts by --context"
    )]
    FindCluster(#[source] Box<dyn Error + Send + Sync>),
    /// The runtime could not be made.
    #[error("cannot start")]
    Start(#[source] io::Error),
    /// The API server did not answer in time.
    #[error(
        "cannot {0}: the API server did not answer in time; whether it has done it is not known: look before you try again"
    )]
    Wait(Box<Action>),
    /// The API server does not know the caller.
    #[error(
        "cannot {0}: the API server does not know you (401): log in again, or name another context by --context"
    )]
    Unknown(Box<Action>),
    /// The caller has no right to it.
    #[error("cannot {action}: you lack the right to {}: ask for the role edit in that namespace, or for one that allows it; the API server says: {answer}", .action.right())]
    Forbidden {
        /// What was tried.
        action: Box<Action>,
        /// The API server's words, which name the caller.
        answer: String,
    },
    /// The cluster does not have the kind.
    #[error("cannot {action}: the cluster does not know the kind {kind}: install Anyray's custom resources, or bring them to this program's version, {version}", action = .0, kind = .0.kind, version = env!("CARGO_PKG_VERSION"))]
    NoKind(Box<Action>),
    /// There is no such object.
    #[error("cannot {0}: there is none of that name; look for it in another namespace by -n")]
    NoObject(Box<Action>),
    /// There is no such namespace.
    #[error("cannot {action}: there is no namespace {namespace}: name another by -n", action = .0, namespace = .0.namespace)]
    NoNamespace(Box<Action>),
    /// The name is taken.
    #[error("cannot {0}: the name is taken; choose another by --name, or none")]
    Exists(Box<Action>),
    /// The object was changed meanwhile.
    #[error("cannot {0}: somebody else has changed it at the same time; look at it and try again")]
    Conflict(Box<Action>),
    /// The API server refused or failed.
    #[error("cannot {action}: {answer}")]
    Call {
        /// What was tried.
        action: Box<Action>,
        /// What came back.
        answer: String,
    },
    /// There is nothing to invite to, or too much.
    #[error("{0}")]
    ChooseGateway(String),
    /// The address is none that a command can hold.
    #[error(
        "the address of AnyrayGateway {0} holds characters that no address needs: name it by --url"
    )]
    Address(String),
    /// There is no code to print.
    #[error("Invite {name} has no code to print: {reason}")]
    NoCode {
        /// Namespace and name.
        name: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A key is not to be told from another.
    #[error("{0} is the name of one ClientKey and the id of another: name the other by its name")]
    Ambiguous(String),
    /// The system has no randomness.
    #[error("the system gives no random bytes")]
    Draw(#[source] getrandom::Error),
    /// Objects could not be written as text.
    #[error("cannot write the answer as text")]
    Encode(#[source] Box<dyn Error + Send + Sync>),
    /// Standard output could not be written.
    #[error("cannot write to standard output")]
    Print(#[source] io::Error),
}

/// A call to the Kubernetes API, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// The verb as roles have it, which is an English one, too.
    pub verb: &'static str,
    /// Kind of the object.
    pub kind: String,
    /// Resource and group as `kubectl auth can-i` has them.
    pub resource: String,
    /// Namespace.
    pub namespace: String,
    /// Name; none where it is about many.
    pub name: Option<String>,
}

impl Action {
    fn right(&self) -> String {
        format!(
            "{} {} in namespace {}",
            self.verb, self.resource, self.namespace
        )
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            verb,
            kind,
            namespace,
            ..
        } = self;
        match &self.name {
            Some(name) => write!(f, "{verb} {kind} {namespace}/{name}"),
            None => write!(f, "{verb} {kind}s in namespace {namespace}"),
        }
    }
}

impl Failure {
    /// What an answer of the API server to a call means.
    pub fn of_call(action: Box<Action>, error: &kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            let answer = with_causes(error);
            return Self::Call { action, answer };
        };
        // kube's own text has the whole response in it.
        let answer = format!("{} ({})", status.message, status.code);
        let missing = status.details.as_ref().map(|it| it.kind.as_str());
        match (status.code, status.reason.as_str(), missing) {
            (401, ..) => Self::Unknown(action),
            (403, ..) => Self::Forbidden { action, answer },
            (404, "NotFound", Some("namespaces")) => Self::NoNamespace(action),
            (404, "NotFound", Some(kind)) if !kind.is_empty() => Self::NoObject(action),
            // What the API server says of a path that it does not have is no answer about an object.
            (404, ..) => Self::NoKind(action),
            (409, "AlreadyExists", _) => Self::Exists(action),
            (409, ..) => Self::Conflict(action),
            (504, ..) => Self::Wait(action),
            _ => Self::Call { action, answer },
        }
    }
}

/// An error's text and, after colons, those of its causes that do not repeat what is said.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
