//! What is wrong with a value in a request's head. No fault holds the value, which may be secret.

/// Why a value is no host that a request may go to. No variant holds the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CustomHostFault {
    /// Longer than any base URL.
    #[error("x-anyray-custom-host is too long; name the base URL alone")]
    TooLong,
    /// A control character, a space or anything that is not ASCII.
    #[error(
        "x-anyray-custom-host must be printable ASCII without spaces; write international names in their xn-- form"
    )]
    Characters,
    /// Another scheme than https.
    #[error("x-anyray-custom-host must be an https URL")]
    Scheme,
    /// A user or password.
    #[error("x-anyray-custom-host must not hold a user or password")]
    UserInfo,
    /// A query or a fragment.
    #[error("x-anyray-custom-host must not hold a query or a fragment; name the base URL alone")]
    QueryOrFragment,
    /// A backslash, which some parsers take for a slash.
    #[error("x-anyray-custom-host must not hold backslashes")]
    Backslash,
    /// A percent sign, behind which anything could stand.
    #[error("x-anyray-custom-host must not hold percent-encoded characters")]
    PercentEncoding,
    /// An IP address in any spelling, or a name that could be taken for one.
    #[error("x-anyray-custom-host must name a host by its DNS name, not by an address")]
    Address,
    /// No DNS name of at least two labels.
    #[error(
        "x-anyray-custom-host must name a host by its full DNS name, such as api.example.com, without a dot at its end"
    )]
    Host,
    /// No port from 1 to 65535.
    #[error("x-anyray-custom-host has a port that is not a number from 1 to 65535")]
    Port,
    /// An empty segment, `.`, `..`, or characters that a base URL's path does not need.
    #[error(
        "the path of x-anyray-custom-host must hold no '.', '..' or empty segments and only letters, digits and -._~:@+=,"
    )]
    Path,
}

/// Why a token is not accepted. No variant holds any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Longer than any token of a cluster.
    #[error("the service account token is too long")]
    TooLong,
    /// No three parts of base64url, or no JSON in them, or not the members that a token has.
    #[error("the service account token is malformed")]
    Malformed,
    /// Another algorithm than RS256 or ES256, or than the key's own; `none`, too.
    #[error("the service account token is signed in a way that is not accepted")]
    Algorithm,
    /// The cluster has no key of this id, or the token names none.
    #[error("the service account token is signed with a key that the cluster does not publish")]
    UnknownKey,
    /// The signature is not of this key over this text.
    #[error("the service account token has a wrong signature")]
    Signature,
    /// Of another cluster.
    #[error("the service account token is of another issuer")]
    Issuer,
    /// Made for others, such as the API server.
    #[error("the service account token is for another audience; project one for this gateway")]
    Audience,
    /// Its time is over.
    #[error("the service account token has expired; read it again from its file")]
    Expired,
    /// Its time has not come.
    #[error("the service account token is not valid yet; compare the clocks")]
    NotYetValid,
    /// Of something else than a ServiceAccount.
    #[error("the token is not of a service account")]
    Subject,
}
