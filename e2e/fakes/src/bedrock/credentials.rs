//! Who may ask: a signature that is right, or a Bedrock API key.
//!
//! As strict as AWS, and in its words; the sources of those that no document of AWS
//! has are threads where people met them. How a signature is made is in `sigv4`.

use http::{HeaderMap, header::AUTHORIZATION, request::Parts};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use crate::{
    aws_keys::{ALL, AwsKeys, BEDROCK_API_KEY},
    bedrock::error::{
        ACCESS_DENIED, INCOMPLETE_SIGNATURE, INVALID_SIGNATURE, UNRECOGNIZED_CLIENT, refuse_access,
    },
    refusal::Refusal,
    sigv4::{Authorization, TERMINATOR, canonical_request, string_to_sign},
};

/// The service that signatures for `bedrock` and `bedrock-runtime` are scoped to,
/// `/anthropic/v1/messages` on the latter included; not the name of the host.
///
/// Source: `signingName` of botocore's models, and the table of endpoints in
/// <https://github.com/openai/openai-node/blob/HEAD/docs/bedrock.md>.
const BEDROCK: &str = "bedrock";

/// The service of `bedrock-mantle.{region}.api.aws`, the other host of the Messages
/// API, which takes [`BEDROCK`] as well.
///
/// Source: anthropic-python `lib/bedrock/_mantle.py`, and the trials in
/// <https://github.com/BerriAI/litellm/pull/31476>.
const BEDROCK_MANTLE: &str = "bedrock-mantle";

/// How Bedrock API keys begin: long-term ones, short-term ones.
const KEY_PREFIXES: [&str; 2] = ["ABSK", "bedrock-api-key-"];

/// How far the clocks may be apart.
const MAX_SKEW_SECONDS: i64 = 5 * 60;

/// How `x-amz-date` writes a time.
const TIME_FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// The two doors of Bedrock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Bedrock's own operations.
    Operations,
    /// `/anthropic/v1/messages`, which takes a key in `x-api-key` as well.
    Messages,
}

impl Door {
    fn takes(self, service: &str) -> bool {
        service == BEDROCK || (self == Self::Messages && service == BEDROCK_MANTLE)
    }
}

/// Checks the credentials of a request whose body is whole; `now` is Unix time in
/// seconds.
///
/// # Errors
///
/// AWS's 403.
pub(crate) fn check_credentials(
    parts: &Parts,
    body: &[u8],
    door: Door,
    now: u64,
) -> Result<(), Refusal> {
    let key = find_value(&parts.headers, "x-api-key").filter(|_| door == Door::Messages);
    match (find_value(&parts.headers, AUTHORIZATION.as_str()), key) {
        (Some(value), _) => match value.strip_prefix("Bearer ") {
            Some(key) => check_key(key),
            None => check_signature(parts, body, door, (&value, now)),
        },
        (None, Some(key)) => check_key(&key),
        (None, None) => Err(refuse_access(
            ACCESS_DENIED,
            "Authorization header is missing",
        )),
    }
}

/// All values of a header in one, as HTTP joins them.
fn find_value(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(name).iter();
    let values: Vec<_> = values
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}

fn check_key(key: &str) -> Result<(), Refusal> {
    let message = if key == BEDROCK_API_KEY {
        return Ok(());
    } else if KEY_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
        "Authentication failed: Please make sure your API Key is valid."
    } else {
        "Invalid API Key format: Must start with pre-defined prefix"
    };
    Err(refuse_access(ACCESS_DENIED, message))
}

fn check_signature(
    parts: &Parts,
    body: &[u8],
    door: Door,
    (value, now): (&str, u64),
) -> Result<(), Refusal> {
    let incomplete = |message: String| refuse_access(INCOMPLETE_SIGNATURE, message);
    let authorization =
        Authorization::parse(value).map_err(|error| incomplete(error.to_string()))?;
    let sent_at = find_value(&parts.headers, "x-amz-date").ok_or_else(|| {
        incomplete(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
                .to_owned(),
        )
    })?;
    check_scope(&authorization, door, &sent_at)?;
    check_time(&sent_at, now)?;
    let keys = find_keys(&authorization, &parts.headers)?;
    let canonical = canonical_request(parts, body, &authorization.signed_headers);
    let to_sign = string_to_sign(&authorization, &sent_at, &canonical);
    if authorization.sign(keys.secret_access_key, &to_sign) == authorization.signature {
        return Ok(());
    }
    Err(refuse_access(
        INVALID_SIGNATURE,
        format!(
            "The request signature we calculated does not match the signature you provided. Check \
             your AWS Secret Access Key and signing method. Consult the service documentation for \
             details.\n\nThe Canonical String for this request should have been\n'{canonical}'\n\n\
             The String-to-Sign should have been\n'{to_sign}'\n"
        ),
    ))
}

fn check_scope(
    authorization: &Authorization<'_>,
    door: Door,
    sent_at: &str,
) -> Result<(), Refusal> {
    let (date, terminator) = (authorization.date, authorization.terminator);
    let sent_on = sent_at.split('T').next().unwrap_or_default();
    let message = if !authorization.signed_headers.contains(&"host") {
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".to_owned()
    } else if !is_region(authorization.region) {
        "Credential should be scoped to a valid region.".to_owned()
    } else if !door.takes(authorization.service) {
        format!("Credential should be scoped to correct service: '{BEDROCK}'.")
    } else if terminator != TERMINATOR {
        format!(
            "Credential should be scoped with a valid terminator: '{TERMINATOR}', not \
             '{terminator}'."
        )
    } else if date != sent_on {
        format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
             HTTP: '{date}' != '{sent_on}', from '{sent_at}'."
        )
    } else {
        return Ok(());
    };
    Err(refuse_access(INVALID_SIGNATURE, message))
}

/// Such as `eu-central-1` or `us-gov-west-1`.
fn is_region(region: &str) -> bool {
    let parts: Vec<&str> = region.split('-').collect();
    let Some((number, words)) = parts.split_last() else {
        return false;
    };
    let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|at| at.is_ascii_lowercase());
    words.len() >= 2 && words.iter().all(is_word) && number.parse::<u8>().is_ok()
}

fn check_time(sent_at: &str, now: u64) -> Result<(), Refusal> {
    let now = Timestamp::from_second(i64::try_from(now).unwrap_or(i64::MAX)).unwrap_or_default();
    let Some(sent) = read_time(sent_at) else {
        let message = format!(
            "Date must be in ISO-8601 'basic format'. Got '{sent_at}'. See http://en.wikipedia.org/wiki/ISO_8601"
        );
        return Err(refuse_access(INCOMPLETE_SIGNATURE, message));
    };
    let write = |seconds: i64| {
        let time = Timestamp::from_second(now.as_second() + seconds).unwrap_or_default();
        time.strftime(TIME_FORMAT).to_string()
    };
    let ahead = sent.as_second() - now.as_second();
    let message = if ahead < -MAX_SKEW_SECONDS {
        let (limit, now) = (write(-MAX_SKEW_SECONDS), write(0));
        format!("Signature expired: {sent_at} is now earlier than {limit} ({now} - 5 min.)")
    } else if ahead > MAX_SKEW_SECONDS {
        let (limit, now) = (write(MAX_SKEW_SECONDS), write(0));
        format!("Signature not yet current: {sent_at} is still later than {limit} ({now} + 5 min.)")
    } else {
        return Ok(());
    };
    Err(refuse_access(INVALID_SIGNATURE, message))
}

fn read_time(text: &str) -> Option<Timestamp> {
    let time = DateTime::strptime(TIME_FORMAT, text).ok()?;
    TimeZone::UTC.to_timestamp(time).ok()
}

/// The pair that a signature names, if it came with the pair's own token or, where
/// the pair has none, without one.
fn find_keys(
    authorization: &Authorization<'_>,
    headers: &HeaderMap,
) -> Result<&'static AwsKeys, Refusal> {
    const TOKEN: &str = "x-amz-security-token";
    let token = find_value(headers, TOKEN);
    let keys = ALL.iter().find(|keys| {
        keys.access_key_id == authorization.access_key_id && keys.session_token == token.as_deref()
    });
    let keys = keys.ok_or_else(|| {
        refuse_access(
            UNRECOGNIZED_CLIENT,
            "The security token included in the request is invalid.",
        )
    })?;
    if token.is_none() || authorization.signed_headers.contains(&TOKEN) {
        return Ok(keys);
    }
    let message = format!("'{TOKEN}' must be a 'SignedHeader' in the AWS Authorization.");
    Err(refuse_access(INVALID_SIGNATURE, message))
}

#[cfg(test)]
mod tests;
