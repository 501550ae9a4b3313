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
use http::{HeaderName, HeaderValue, Request, Uri, header::CONTENT_TYPE};

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
    *request.uri_mut() = spell_out_spaces(request.uri())?;
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

/// The same URL without a `+` in its query.
///
/// Forms write a space so, and the signer reads one; AWS may read a plus. `%20` is a space to both,
/// and what AWS's own signer for Go sends.
/// Source: `buildCanonicalString` in `aws-sdk-go/aws/signer/v4/v4.go`.
fn spell_out_spaces(uri: &Uri) -> Option<Uri> {
    let query = uri.query().filter(|query| query.contains('+'));
    let Some(query) = query else {
        return Some(uri.clone());
    };
    let text = format!("{}?{}", uri.path(), query.replace('+', "%20"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(text.parse().ok()?);
    Uri::from_parts(parts).ok()
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
    use ring::{digest, hmac};

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
        signed_at("/model/a.b-v1%3A0/invoke", session_token)
    }

    fn signed_at(path: &str, session_token: Option<&str>) -> Request<UpstreamBody> {
        let mut request = Request::post(format!(
            "https://bedrock-runtime.us-east-1.amazonaws.com{path}"
        ))
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

    /// Adversarial test, finding 15: who takes a plus in a query for one, as AWS does, found
    /// another signature than the signer, which takes it for a space.
    #[test]
    fn a_plus_in_a_query_goes_out_as_the_space_that_it_is_signed_as() {
        for (sent, expected, canonical) in [
            ("a=b+c&d", "a=b%20c&d", "a=b%20c&d="),
            ("b+c=1&a=%2B", "b%20c=1&a=%2B", "a=%2B&b%20c=1"),
            ("a=%20%2f", "a=%20%2f", "a=%20%2F"),
        ] {
            let request = signed_at(&format!("/guardrails?{sent}"), None);
            assert_eq!(request.uri().query(), Some(expected));
            assert_eq!(request.uri().path(), "/guardrails");
            let authorization = header(&request, "authorization");
            let (_, signature) = authorization.split_once("Signature=").expect("a signature");
            assert_eq!(signature, signature_of(canonical), "{sent}");
        }
    }

    /// The signature of [`signed_at`]'s request, computed from AWS's description alone.
    fn signature_of(canonical_query: &str) -> String {
        let hmac = |key: &[u8], text: &str| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, key);
            hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
        };
        let body_hash = hex(digest::digest(&digest::SHA256, b"{}").as_ref());
        let canonical = format!(
            "POST\n/guardrails\n{canonical_query}\ncontent-type:application/json\n\
             host:bedrock-runtime.us-east-1.amazonaws.com\nx-amz-date:20150830T123600Z\n\
             x-amzn-bedrock-trace:ENABLED\n\n\
             content-type;host;x-amz-date;x-amzn-bedrock-trace\n{body_hash}"
        );
        let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let scope = "20150830/us-east-1/bedrock/aws4_request";
        let first = format!("AWS4{}", keys(None).secret_access_key.0).into_bytes();
        let key = scope.split('/').fold(first, |key, part| hmac(&key, part));
        let text = format!("AWS4-HMAC-SHA256\n20150830T123600Z\n{scope}\n{hash}");
        hex(&hmac(&key, &text))
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
