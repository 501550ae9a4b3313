//! Google's token server for service accounts, and the one account it knows.
//!
//! <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    rsa,
    signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::Value;

use crate::{
    json::object,
    oauth::{Form, refuse},
    refusal::Refusal,
    vertex::PROJECT_ID,
};

/// The account's name.
pub const CLIENT_EMAIL: &str = "anyray-fakes@anyray-fakes-project.iam.gserviceaccount.com";

/// Name of the account's only key.
pub const PRIVATE_KEY_ID: &str = "5a1f0c9e7d3b2846a0c1e2f3958471b6d0fa4e00";

/// What a token has to be asked for, and is good for.
pub const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// How tokens begin.
pub(crate) const TOKEN_PREFIX: &str = "ya29.c.";

/// The key of the account, which opens nothing but this fake.
const PRIVATE_KEY: &str = include_str!("google/service-account-key.pem");

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The real server, which Google's own libraries name whatever the `token_uri`.
const REAL_AUDIENCE: &str = "https://oauth2.googleapis.com/token";

/// Longest life of an assertion.
const MAX_LIFE_S: u64 = 3600;

/// How far a client's clock may be ahead.
const MAX_SKEW_S: u64 = 60;

/// The JSON that Google hands out for a service account, of the account that every
/// fake knows; `base_url` is where the fake is reached, without a slash at its end.
pub fn build_service_account(base_url: &str) -> String {
    let account = object! {
        "type" => "service_account",
        "project_id" => PROJECT_ID,
        "private_key_id" => PRIVATE_KEY_ID,
        "private_key" => PRIVATE_KEY,
        "client_email" => CLIENT_EMAIL,
        "client_id" => "100000000000000064206",
        "auth_uri" => "https://accounts.google.com/o/oauth2/auth",
        "token_uri" => format!("{base_url}/token"),
        "auth_provider_x509_cert_url" => "https://www.googleapis.com/oauth2/v1/certs",
        "universe_domain" => "googleapis.com",
    };
    account.to_text()
}

/// Checks a request for a token that came to `host`; `now` is Unix time in seconds.
///
/// # Errors
///
/// The server's 400 if the request has no assertion, or if the assertion is not the
/// account's, not for this server, not of this hour or not for [`SCOPE`].
pub(crate) fn check_grant(form: &Form, host: &str, now: u64) -> Result<(), Refusal> {
    let Some(grant_type) = form.find("grant_type") else {
        let message = "Required parameter is missing: grant_type";
        return Err(refuse(400, "invalid_request", message));
    };
    if grant_type != GRANT_TYPE {
        let message = format!("Invalid grant_type: {grant_type}");
        return Err(refuse(400, "unsupported_grant_type", message));
    }
    let Some(assertion) = form.find("assertion") else {
        let message = "Missing required parameter: assertion";
        return Err(refuse(400, "invalid_request", message));
    };
    let (header, claims) = read_assertion(assertion).ok_or_else(|| {
        refuse_grant("Invalid JWT: The assertion is not three parts of base64 with JSON in them.")
    })?;
    let claim = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    if claim("iss") != CLIENT_EMAIL {
        return Err(refuse_grant("Invalid grant: account not found"));
    }
    if !is_of_the_account(&header) || !is_signed(assertion) {
        return Err(refuse_grant("Invalid JWT Signature."));
    }
    if !is_for_this_server(claim("aud"), host) {
        return Err(refuse_grant("Invalid JWT: Failed audience check."));
    }
    if !is_of_this_hour(&claims, now) {
        return Err(refuse_grant(
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable \
             timeframe. Check your iat and exp values in the JWT claim.",
        ));
    }
    if claim("scope").split(' ').any(|scope| scope == SCOPE) {
        return Ok(());
    }
    let message = "Invalid OAuth scope or ID token audience provided.";
    Err(refuse(400, "invalid_scope", message))
}

fn refuse_grant(description: &'static str) -> Refusal {
    refuse(400, "invalid_grant", description)
}

/// Header and claims.
fn read_assertion(assertion: &str) -> Option<(Value, Value)> {
    let mut parts = assertion.split('.').map(read_part);
    let (header, claims) = (parts.next()??, parts.next()??);
    parts.next().filter(|_| parts.next().is_none())?;
    Some((header, claims))
}

fn read_part(part: &str) -> Option<Value> {
    let json = BASE64_URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&json).ok()
}

fn is_of_the_account(header: &Value) -> bool {
    let field = |name| header.get(name).and_then(Value::as_str);
    field("alg") == Some("RS256") && field("kid") == Some(PRIVATE_KEY_ID)
}

fn is_signed(assertion: &str) -> bool {
    let check = || {
        let (signed, signature) = assertion.rsplit_once('.')?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(PRIVATE_KEY.as_bytes()).ok()?;
        let key = rsa::KeyPair::from_pkcs8(key.secret_pkcs8_der()).ok()?;
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public())
            .verify(signed.as_bytes(), &signature)
            .ok()
    };
    check().is_some()
}

/// The address under which the client reached this server, or the real one.
fn is_for_this_server(audience: &str, host: &str) -> bool {
    let mut schemes = ["http", "https"].iter();
    audience == REAL_AUDIENCE
        || schemes.any(|scheme| audience == format!("{scheme}://{host}/token"))
}

fn is_of_this_hour(claims: &Value, now: u64) -> bool {
    let time = |name| claims.get(name).and_then(Value::as_u64);
    let (Some(issued), Some(expires)) = (time("iat"), time("exp")) else {
        return false;
    };
    let life = expires.saturating_sub(issued);
    issued <= now + MAX_SKEW_S && now < expires && (1..=MAX_LIFE_S).contains(&life)
}

#[cfg(test)]
mod tests;
