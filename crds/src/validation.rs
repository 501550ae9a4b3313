//! The rules that objects must keep beyond types and ranges, in the Common Expression Language.
//!
//! The API server checks them, and so does `anyray-operator render`.

use serde::Serialize;

pub mod by_provider;

/// A rule of `x-kubernetes-validations`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rule<Text = &'static str> {
    /// An expression that is true of every object that is accepted.
    pub rule: Text,
    /// What is wrong where it is false, and what to do.
    pub message: Text,
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $name:ident = $rule:expr, $message:expr;)+) => {
        $($(#[doc = $doc])+ pub const $name: Rule = Rule { rule: $rule, message: $message };)+

        /// Every constant rule with its name.
        pub const ALL: &[(&str, Rule)] = &[$((stringify!($name), $name)),+];
    };
}

rules! {
    /// A gateway's name becomes the name of a Service and, with suffixes, of other objects.
    GATEWAY_NAME =
        "size(self.metadata.name) <= 52 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        "metadata.name must have at most 52 characters, lower-case letters, digits and '-', and begin with a letter: a Service and other objects are named after it";
    /// A key's name becomes the name of a file.
    PROVIDER_KEY_NAME =
        "size(self.metadata.name) <= 63",
        "metadata.name must have at most 63 characters";
    /// Another provider is another key.
    PROVIDER_IMMUTABLE =
        "self == oldSelf",
        "provider cannot be changed: create another ProviderKey, move the routing rules to it, then delete this one";
    /// A credential is in one place.
    AUTH_SOURCE =
        "(has(self.apiKeySecretRef) ? 1 : 0) + (has(self.awsSecretRef) ? 1 : 0) + (has(self.gcpSecretRef) ? 1 : 0) + (has(self.entraSecretRef) ? 1 : 0) == 1",
        "exactly one of apiKeySecretRef, awsSecretRef, gcpSecretRef and entraSecretRef must be set";
    /// Keys travel over TLS.
    ENDPOINT_SCHEME =
        "!has(self.url) || (isURL(self.url) && (self.url.matches('^https://[!-~]+$') || (self.allowInsecure && self.url.matches('^http://[!-~]+$'))))",
        "url must be an absolute https:// URL in printable ASCII; plain http:// needs allowInsecure: true";
    /// What the gateway would refuse in a base URL.
    ENDPOINT_PARTS =
        "!has(self.url) || !isURL(self.url) || (url(self.url).getHostname() != '' && !self.url.contains('@') && !self.url.contains('#') && !self.url.contains('?'))",
        "url must name a host, and have no user, password, query or fragment";
    /// Certificates are for TLS.
    ENDPOINT_CA_BUNDLE =
        "!has(self.caBundleRef) || !has(self.url) || self.url.startsWith('https://')",
        "caBundleRef has no effect on plain http://: remove it, or use https://";
    /// A schema says nothing of the keys of a map.
    MODEL_NAMES =
        "self.all(name, size(name) >= 1 && size(name) <= 256)",
        "each name that callers use must have 1 to 256 characters";
    /// An open gateway in an open network is opened on purpose only.
    AUTH_OPEN =
        "self.auth.clientKeys != 'Optional' || self.service.type == 'ClusterIP' || self.auth.acknowledgeOpen",
        "a gateway without client keys that can be reached from outside the cluster lets everyone spend your money: set auth.acknowledgeOpen: true if that is meant";
    /// An image is named whole.
    IMAGE_WHOLE =
        "has(self.repository) == (has(self.tag) || has(self.digest))",
        "repository needs a tag or a digest, and tag and digest need a repository";
    /// A pod is not killed before it has drained.
    DRAIN_FITS =
        "self.terminationGracePeriodSeconds >= self.preStopSeconds + self.drainSeconds + 2",
        "terminationGracePeriodSeconds must be at least preStopSeconds + drainSeconds + 2, or streams are cut";
    /// A load balancer is opened to everyone on purpose only.
    SERVICE_SOURCE_RANGES =
        "self.type != 'LoadBalancer' || self.allowPublic || (has(self.loadBalancerSourceRanges) && size(self.loadBalancerSourceRanges) > 0)",
        "a LoadBalancer needs loadBalancerSourceRanges, the networks of its callers; allowPublic: true opens it to everyone";
    /// Settings that have no effect are mistakes.
    SERVICE_LOAD_BALANCER_ONLY =
        "self.type == 'LoadBalancer' || (!has(self.loadBalancerClass) && !has(self.loadBalancerSourceRanges) && !self.allowPublic)",
        "loadBalancerClass, loadBalancerSourceRanges and allowPublic need type: LoadBalancer";
    /// GitOps tools take objects with their labels and annotations for their own and prune them.
    FOREIGN_ANNOTATIONS =
        "self.all(k, !k.startsWith('argocd.argoproj.io/') && !k.startsWith('kustomize.toolkit.fluxcd.io/') && !k.startsWith('helm.toolkit.fluxcd.io/') && !k.startsWith('anyray.ai/'))",
        "annotations must not begin with argocd.argoproj.io/, kustomize.toolkit.fluxcd.io/, helm.toolkit.fluxcd.io/ or anyray.ai/: the operator's objects are no GitOps tool's";
    /// Selectors and owners are found by labels.
    FOREIGN_LABELS =
        "self.all(k, !k.startsWith('argocd.argoproj.io/') && !k.startsWith('kustomize.toolkit.fluxcd.io/') && !k.startsWith('helm.toolkit.fluxcd.io/') && !k.startsWith('anyray.ai/') && !k.startsWith('app.kubernetes.io/'))",
        "labels must not begin with argocd.argoproj.io/, kustomize.toolkit.fluxcd.io/, helm.toolkit.fluxcd.io/, anyray.ai/ or app.kubernetes.io/: those are the operator's, or a GitOps tool's";
    /// A network is one.
    NETWORKS =
        "self.all(network, isCIDR(network))",
        "each entry must be a network such as 10.1.0.0/16 or fd00::/8";
    /// A time limit is one.
    TIMEOUTS_RANGE =
        "[self.connect, self.firstByte, self.idle, self.requestBody, self.ping].all(d, duration(d) >= duration('1ms') && duration(d) <= duration('24h')) && (!has(self.total) || (duration(self.total) >= duration('1ms') && duration(self.total) <= duration('24h')))",
        "each time limit must be between 1ms and 24h";
    /// An invite's name becomes that of a Secret.
    INVITE_NAME =
        "size(self.metadata.name) <= 63",
        "metadata.name must have at most 63 characters";
    /// What an invite says is what was promised.
    INVITE_IMMUTABLE =
        "self.gatewayRef == oldSelf.gatewayRef && self.user == oldSelf.user && self.key == oldSelf.key && has(self.team) == has(oldSelf.team) && (!has(self.team) || self.team == oldSelf.team) && has(self.ttl) == has(oldSelf.ttl) && (!has(self.ttl) || self.ttl == oldSelf.ttl) && has(self.expiresAt) == has(oldSelf.expiresAt) && (!has(self.expiresAt) || self.expiresAt == oldSelf.expiresAt) && has(self.codeHash) == has(oldSelf.codeHash) && (!has(self.codeHash) || self.codeHash == oldSelf.codeHash) && has(self.secretName) == has(oldSelf.secretName) && (!has(self.secretName) || self.secretName == oldSelf.secretName)",
        "only revoked can be changed: delete the Invite and create another one, or change the ClientKey that it was redeemed for";
    /// A code has one end.
    INVITE_LIFE =
        "(!has(self.ttl) || (duration(self.ttl) >= duration('1m') && duration(self.ttl) <= duration('720h'))) && !(has(self.ttl) && has(self.expiresAt))",
        "ttl must be between 1m and 720h, and only one of ttl and expiresAt can be set";
    /// Who brings a code needs no Secret for it.
    INVITE_CODE =
        "!has(self.codeHash) || !has(self.secretName)",
        "secretName has no effect beside codeHash: only a code that the operator makes goes into a Secret";
    /// A code is redeemed once.
    REDEMPTION_ONCE =
        "!has(oldSelf.status) || !has(oldSelf.status.redemption) || (has(self.status) && has(self.status.redemption) && self.status.redemption == oldSelf.status.redemption)",
        "status.redemption is written once and cannot be changed";
    /// What was revoked stays so.
    REVOKED_FOR_GOOD =
        "!oldSelf.revoked || self.revoked",
        "revoked cannot be taken back: create another object";
    /// A key lives for a while.
    KEY_LIFE =
        "duration(self) >= duration('1m') && duration(self) <= duration('87600h')",
        "must be between 1m and 87600h";
    /// Another caller is another key.
    CLIENT_KEY_IMMUTABLE =
        "self.gatewayRef == oldSelf.gatewayRef && self.user == oldSelf.user && has(self.team) == has(oldSelf.team) && (!has(self.team) || self.team == oldSelf.team) && has(self.key) == has(oldSelf.key) && (!has(self.key) || self.key == oldSelf.key) && has(self.secretName) == has(oldSelf.secretName) && (!has(self.secretName) || self.secretName == oldSelf.secretName) && has(self.serviceAccount) == has(oldSelf.serviceAccount) && (!has(self.serviceAccount) || self.serviceAccount == oldSelf.serviceAccount) && has(self.invite) == has(oldSelf.invite) && (!has(self.invite) || self.invite == oldSelf.invite)",
        "gatewayRef, user, team, key, secretName, serviceAccount and invite cannot be changed: create another ClientKey and delete this one";
    /// A caller is known by one thing.
    CLIENT_KEY_SOURCE =
        "(has(self.key) ? 1 : 0) + (has(self.secretName) ? 1 : 0) + (has(self.serviceAccount) ? 1 : 0) == 1",
        "exactly one of key, secretName and serviceAccount must be set";
}
