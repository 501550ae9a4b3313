//! The keys that the fake's Bedrock knows, for tests to sign with.
//!
//! They open nothing but a fake. What is done with them is in `bedrock::credentials`.

/// A key pair of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AwsKeys {
    /// What a signature names.
    pub access_key_id: &'static str,
    /// What it is made with.
    pub secret_access_key: &'static str,
    /// What temporary keys come with, to be sent as `x-amz-security-token`.
    pub session_token: Option<&'static str>,
}

/// A pair of an IAM user.
pub const LONG_TERM: AwsKeys = AwsKeys {
    access_key_id: "AKIAANYRAYFAKES00001",
    secret_access_key: "anyray/fakes+the+secret+of+the+long+term",
    session_token: None,
};

/// A pair of an assumed role.
pub const TEMPORARY: AwsKeys = AwsKeys {
    access_key_id: "ASIAANYRAYFAKES00002",
    secret_access_key: "anyray/fakes+the+secret+of+the+temporary",
    session_token: Some("anyray/fakes+the+session+token+of+the+temporary+pair=="),
};

/// All pairs that a signature may be made with.
pub const ALL: [AwsKeys; 2] = [LONG_TERM, TEMPORARY];

/// A Bedrock API key, to be sent as a bearer.
pub const BEDROCK_API_KEY: &str = "ABSKYW55cmF5LWZha2VzLWF0LTEyMzQ1Njc4OTAxMjpub3QtYS1zZWNyZXQ=";
