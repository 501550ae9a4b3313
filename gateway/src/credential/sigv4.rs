//! AWS's signature, version 4, over a request as it goes out.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use std::time::SystemTime;

use anyray_wire::gateway_config::credential::AwsKeys;
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign as sign_request},
    sign::v4::SigningParams,
};
use http::{HeaderName, HeaderValue, Request, header::CONTENT_TYPE};

use crate::body::UpstreamBody;

/// What a signature is good for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    /// Region, such as `eu-central-1`.
    pub(super) region: &'a str,
    /// Service, such as `bedrock`.
    pub(super) service: &'a str,
}

/// Signs a request, whose body must be whole; `None` where that cannot be.
///
/// Signed are the method, the path with the escapes that it has, the query, the host, the body,
/// and those headers that AWS reads.
pub(super) fn sign(
    request: &mut Request<UpstreamBody>,
    keys: &AwsKeys,
    scope: &Scope<'_>,
    now: SystemTime,
) -> Option<()> {
    let token = keys.session_token.clone();
    let identity = Credentials::new(
        &keys.access_key_id,
        &keys.secret_access_key.0,
        token.map(|token| token.0),
        None,
        "anyray",
    )
    .into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .ok()?
        .into();
    let headers = signed_headers(request)?;
    let body = request.body().whole()?;
    let uri = request.uri().to_string();
    let signable = SignableRequest::new(
        request.method().as_str(),
        &uri,
        headers.into_iter(),
        SignableBody::Bytes(body),
    );
    let (instructions, _) = sign_request(signable.ok()?, &params).ok()?.into_parts();
    let (signature, _) = instructions.into_parts();
    for header in signature {
        let name = HeaderName::from_static(header.name());
        let mut value = HeaderValue::from_str(header.value()).ok()?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
    }
    Some(())
}

/// The headers that a signature covers besides the host, which its maker adds.
fn signed_headers(request: &Request<UpstreamBody>) -> Option<Vec<(&str, &str)>> {
    let headers = request.headers().iter();
    headers
        .filter(|(name, _)| *name == CONTENT_TYPE || name.as_str().starts_with("x-amz"))
        .map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use anyray_wire::anyray::secret::Secret;

    use super::*;

    /// The example keys of AWS's own documents.
    fn keys(session_token: Option<&str>) -> AwsKeys {
        AwsKeys {
            access_key_id: "AKIDEXAMPLEAKIDEXAMPLE".to_owned(),
            secret_access_key: Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            session_token: session_token.map(|token| Secret(token.to_owned())),
        }
    }

    fn signed(session_token: Option<&str>) -> Request<UpstreamBody> {
        let mut request = Request::post(
            "https://bedrock-runtime.us-east-1.amazonaws.com/model/a.b-v1%3A0/invoke",
        )
        .header("content-type", "application/json")
        .header("x-amzn-bedrock-trace", "ENABLED")
        .header("user-agent", "x")
        .body(UpstreamBody::from("{}"))
        .expect("a request");
        let scope = Scope {
            region: "us-east-1",
            service: "bedrock",
        };
        // 2015-08-30T12:36:00Z
        let now = UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        sign(&mut request, &keys(session_token), &scope, now).expect("signed");
        request
    }

    fn header<'r>(request: &'r Request<UpstreamBody>, name: &str) -> &'r str {
        let value = request.headers().get(name).expect(name);
        assert!(value.is_sensitive(), "{name}");
        value.to_str().expect("text")
    }

    /// That the signature is right is shown against a fake that computes it by itself.
    #[test]
    fn a_signature_names_its_scope_and_what_it_covers() {
        let request = signed(None);
        assert_eq!(header(&request, "x-amz-date"), "20150830T123600Z");
        let authorization = header(&request, "authorization");
        assert!(
            authorization.starts_with(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLEAKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date;x-amzn-bedrock-trace, Signature="
            ),
            "{authorization}"
        );
    }

    #[test]
    fn the_token_of_a_session_goes_along_and_is_covered() {
        let request = signed(Some("session"));
        assert_eq!(header(&request, "x-amz-security-token"), "session");
        assert!(header(&request, "authorization").contains(";x-amz-security-token;"));
    }
}
