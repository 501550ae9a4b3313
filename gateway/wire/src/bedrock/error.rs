//! The error body of Amazon Bedrock, also the payload of an exception frame.
//!
//! The class of an error is not in it: it travels in the header [`CLASS_HEADER`], or in the frame.
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html> and
//! <https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization>.

use http::HeaderName;
use serde::Serialize;

/// The header that names the class of an error, such as `ValidationException`.
pub const CLASS_HEADER: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// `{"message": ...}`, with a code of ours that AWS's SDKs pass over.
///
/// The code is not called `code`: where the header of the class gets lost, SDKs take a field of
/// that name for the class.
#[derive(Debug, Serialize)]
pub struct Body<'a> {
    /// Text for a person.
    pub message: &'a str,
    /// Machine-readable code, such as `provider_key_missing`.
    #[serde(rename = "errorCode")]
    pub error_code: &'a str,
}
