//! Microsoft Entra's token server for applications, and the one it knows.
//!
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>,
//! the wording of its errors is in
//! <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>.

use crate::{
    anthropic::write_time,
    identity::guid,
    json::{Json, array, object},
    oauth::{Form, build_grant, build_refusal, refuse, tokens::Issued},
    refusal::Refusal,
};

/// The tenant that the application is in.
pub const TENANT_ID: &str = "7e0a17a7-0000-4000-8000-00000000fa4e";

/// The application.
pub const CLIENT_ID: &str = "c11e0700-0000-4000-8000-00000000fa4e";

/// The application's secret, which opens nothing but this fake.
pub const CLIENT_SECRET: &str = "fake~entra.client-secret/of+anyray=fakes";

/// How tokens begin: they are JWTs, which nobody but their audience reads.
pub(crate) const TOKEN_PREFIX: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.e30.";

/// What a scope ends with when an application asks for itself.
const SCOPE_SUFFIX: &str = "/.default";

/// The credential of the application that every fake knows, as a provider key of
/// the type `entraClient` holds it; `base_url` is where the fake is reached, without
/// a slash at its end.
pub fn build_client(base_url: &str) -> String {
    let client = object! {
        "tenantId" => TENANT_ID,
        "clientId" => CLIENT_ID,
        "clientSecret" => CLIENT_SECRET,
        "authority" => base_url,
    };
    client.to_text()
}

/// Checks a request for a token, and finds the audience that it is for.
///
/// # Errors
///
/// The server's 400 or 401 if a field is missing or unknown.
pub(crate) fn check_grant<'a>(form: &'a Form, tenant: &str) -> Result<&'a str, Refusal> {
    let grant_type = require(form, "grant_type")?;
    if grant_type != "client_credentials" {
        let message =
            format!("AADSTS70003: The app requested an unsupported grant type '{grant_type}'.");
        return Err(refuse(400, "unsupported_grant_type", message));
    }
    if tenant != TENANT_ID {
        let message = format!(
            "AADSTS90002: Tenant '{tenant}' not found. Check to make sure you have the correct \
             tenant ID and are signing into the correct cloud."
        );
        return Err(refuse(400, "invalid_request", message));
    }
    let client_id = require(form, "client_id")?;
    if client_id != CLIENT_ID {
        let message = format!(
            "AADSTS700016: Application with identifier '{client_id}' was not found in the \
             directory '{tenant}'."
        );
        return Err(refuse(400, "unauthorized_client", message));
    }
    check_secret(form)?;
    let scope = require(form, "scope")?;
    scope.strip_suffix(SCOPE_SUFFIX).ok_or_else(|| {
        let message = format!(
            "AADSTS1002012: The provided value for scope {scope} is not valid. Client credential \
             flows must have a scope value with /.default suffixed to the resource identifier \
             (application ID URI)."
        );
        refuse(400, "invalid_scope", message)
    })
}

fn check_secret(form: &Form) -> Result<(), Refusal> {
    let message = match form.find("client_secret") {
        Some(CLIENT_SECRET) => return Ok(()),
        Some(_) => format!(
            "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the \
             request is the client secret value, not the client secret ID, for a secret added to \
             app '{CLIENT_ID}'."
        ),
        None => "AADSTS7000218: The request body must contain the following parameter: \
                 'client_assertion' or 'client_secret'."
            .to_owned(),
    };
    Err(refuse(401, "invalid_client", message))
}

fn require<'a>(form: &'a Form, name: &str) -> Result<&'a str, Refusal> {
    form.find(name).ok_or_else(|| {
        let message = format!(
            "AADSTS900144: The request body must contain the following parameter: '{name}'."
        );
        refuse(400, "invalid_request", message)
    })
}

/// The answer to a granted request.
pub(crate) fn build_answer(issued: &Issued) -> Json {
    build_grant(issued).with("ext_expires_in", issued.life_s)
}

/// The answer to a refused request, number `serial`; `now` is Unix time in seconds.
pub(crate) fn build_error(refusal: &Refusal, serial: u64, now: u64) -> Json {
    let (trace, correlation) = (guid(serial), guid(!serial));
    let timestamp = write_time(now).replace('T', " ");
    let description = format!(
        "{} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}",
        refusal.message
    );
    let refusal = Refusal {
        message: description.into(),
        ..refusal.clone()
    };
    let code = find_code(&refusal.message);
    build_refusal(&refusal)
        .with("error_codes", array![code])
        .with("timestamp", timestamp)
        .with("trace_id", trace)
        .with("correlation_id", correlation)
}

/// The number behind `AADSTS`.
fn find_code(message: &str) -> Option<u64> {
    let (code, _) = message.strip_prefix("AADSTS")?.split_once(':')?;
    code.parse().ok()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
    use serde_json::Value;

    use super::*;

    const GOOD: [(&str, &str); 4] = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT_ID),
        (
            "client_secret",
            "fake~entra.client-secret%2Fof%2Banyray%3Dfakes",
        ),
        (
            "scope",
            "https%3A%2F%2Fcognitiveservices.azure.com%2F.default",
        ),
    ];

    /// Asks with one field changed, or left out when `value` is empty.
    fn ask(changed: &str, value: &str, tenant: &str) -> Result<String, Refusal> {
        let pairs = GOOD.map(|(name, good)| {
            let value = if name == changed { value } else { good };
            format!("{name}={value}")
        });
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
        let form = Form::read(&headers, &Bytes::from(pairs.join("&")));
        check_grant(&form, tenant).map(str::to_owned)
    }

    #[test]
    fn the_audience_is_the_scope_without_its_suffix() {
        let audience = ask("", "", TENANT_ID).expect("a grant");
        assert_eq!(audience, "https://cognitiveservices.azure.com");
    }

    #[test]
    fn each_wrong_field_is_refused_with_its_code() {
        for (name, value, status, error, code) in [
            (
                "grant_type",
                "password",
                400,
                "unsupported_grant_type",
                70_003,
            ),
            ("grant_type", "", 400, "invalid_request", 900_144),
            ("client_id", "other", 400, "unauthorized_client", 700_016),
            ("client_id", "", 400, "invalid_request", 900_144),
            ("client_secret", "other", 401, "invalid_client", 7_000_215),
            ("client_secret", "", 401, "invalid_client", 7_000_218),
            ("scope", "openid", 400, "invalid_scope", 1_002_012),
            ("scope", "", 400, "invalid_request", 900_144),
        ] {
            let refusal = ask(name, value, TENANT_ID).expect_err("a refusal");
            assert_eq!(
                (refusal.status, refusal.code),
                (status, Some(error)),
                "{name}"
            );
            assert_eq!(find_code(&refusal.message), Some(code), "{name}");
        }
    }

    #[test]
    fn other_tenants_are_not_found() {
        let refusal = ask("", "", "common").expect_err("a refusal");
        assert_eq!(find_code(&refusal.message), Some(90_002));
    }

    #[test]
    fn errors_say_when_and_which() {
        let refusal = ask("client_secret", "other", TENANT_ID).expect_err("a refusal");
        let error: Value =
            serde_json::from_str(&build_error(&refusal, 1, 1_790_812_800).to_text()).expect("JSON");
        assert_eq!(error["error"], "invalid_client");
        assert_eq!(error["error_codes"][0], 7_000_215);
        assert_eq!(error["timestamp"], "2026-10-01 00:00:00Z");
        let description = error["error_description"].as_str().expect("a description");
        let trace = error["trace_id"].as_str().expect("a trace");
        assert!(
            description.contains(&format!("Trace ID: {trace}")),
            "{description}"
        );
    }
}
