//! What single values must be beyond their type, for whoever writes or reads `gateway.json`.
//!
//! What takes more than a look has a module beside this one: [`super::egress`],
//! [`super::endpoint`], [`super::api_key`].
//! What only the whole file shows, such as a name that is used twice, is for the gateway to say.

use super::{FieldError, Limits, Timeouts};

/// Longest name of a provider key, in bytes: as Kubernetes has it.
pub const MAX_NAME_BYTES: usize = 253;

/// Longest time limit, in milliseconds: a day. Beyond it a number was surely meant in another unit.
pub const MAX_TIMEOUT_MS: u64 = 24 * 3600 * 1000;

/// Checks `name` of a provider key.
///
/// # Errors
/// `name`.
pub fn provider_key_name(name: &str) -> Result<(), FieldError> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.chars().all(is_allowed) {
        let message =
            format!("must be 1 to {MAX_NAME_BYTES} lower-case letters, digits, '-' or '.'");
        return Err(FieldError::new("name", message));
    }
    Ok(())
}

/// Checks `file` of a credential: a path that stays inside the configuration directory.
///
/// # Errors
/// `file`.
pub fn credential_file(file: &str) -> Result<(), FieldError> {
    let is_plain =
        file.split('/').all(|part| !matches!(part, "" | "." | "..")) && !file.contains('\0');
    if is_plain {
        Ok(())
    } else {
        let message = "must be a path inside the configuration directory, such as keys/openai";
        Err(FieldError::new("file", message))
    }
}

/// Checks `match` of a routing rule.
///
/// # Errors
/// `match`.
pub fn model_pattern(pattern: &str) -> Result<(), FieldError> {
    if pattern.is_empty() {
        return Err(FieldError::new("match", "must not be empty"));
    }
    Ok(())
}

/// Checks one entry of `passthroughPaths`.
///
/// # Errors
/// The entry itself: the path of the error is empty.
pub fn passthrough_path(path: &str) -> Result<(), FieldError> {
    let plain = path.strip_suffix("/*").unwrap_or(path);
    let is_version_path = plain.strip_prefix("/v1/").is_some_and(|rest| {
        rest.split('/').all(|part| !matches!(part, "" | "." | ".."))
            && !rest.contains(['*', '?', '#', '%', '\\'])
    });
    if is_version_path {
        Ok(())
    } else {
        let message = "must be a path such as /v1/files, or /v1/files/* for all below it";
        Err(FieldError::new("", message))
    }
}

/// Checks `limits`.
///
/// # Errors
/// The first field that is 0.
pub fn limits(limits: &Limits) -> Result<(), FieldError> {
    for (field, is_zero) in [
        ("maxBodyBytes", limits.max_body_bytes == 0),
        ("maxBufferedBytes", limits.max_buffered_bytes == 0),
        ("maxConcurrentRequests", limits.max_concurrent_requests == 0),
        ("maxConnections", limits.max_connections == 0),
    ] {
        if is_zero {
            return Err(FieldError::new(field, "must be at least 1"));
        }
    }
    Ok(())
}

/// Checks `timeouts`.
///
/// # Errors
/// The first field that is 0 or more than [`MAX_TIMEOUT_MS`].
pub fn timeouts(timeouts: &Timeouts) -> Result<(), FieldError> {
    for (field, limit) in [
        ("connectMs", Some(timeouts.connect_ms)),
        ("firstByteMs", Some(timeouts.first_byte_ms)),
        ("idleMs", Some(timeouts.idle_ms)),
        ("totalMs", timeouts.total_ms),
        ("requestBodyMs", Some(timeouts.request_body_ms)),
        ("pingMs", Some(timeouts.ping_ms)),
    ] {
        if limit.is_some_and(|limit| limit == 0 || limit > MAX_TIMEOUT_MS) {
            let message = format!("must be between 1 and {MAX_TIMEOUT_MS} milliseconds");
            return Err(FieldError::new(field, message));
        }
    }
    Ok(())
}

/// The admin token that a file or Secret holds: 16 to 256 printable characters without spaces,
/// perhaps with white space around them.
///
/// # Errors
/// What is wrong, without the token.
pub fn admin_token(content: &[u8]) -> Result<&str, &'static str> {
    let token = std::str::from_utf8(content.trim_ascii()).unwrap_or_default();
    let is_plain = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain && (16..=256).contains(&token.len()) {
        Ok(token)
    } else {
        Err("must hold 16 to 256 printable characters without spaces")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_kubernetes() {
        for name in ["a", "main", "team-a.openai", "1"] {
            assert_eq!(provider_key_name(name), Ok(()), "{name}");
        }
        for name in ["", "Main", "a_b", "a/b", "\u{e9}", &"a".repeat(254)] {
            let error = provider_key_name(name).expect_err(name);
            assert!(error.to_string().starts_with("name: must be 1 to 253"));
        }
    }

    #[test]
    fn credential_files_stay_inside_the_directory() {
        for file in ["keys/openai", "a", "a..b", "..a"] {
            assert_eq!(credential_file(file), Ok(()), "{file}");
        }
        for file in ["", "/a", "../a", "a/../../a", "a//b", "./a", "a/", "a\0"] {
            assert_eq!(credential_file(file).expect_err(file).field, "file");
        }
    }

    #[test]
    fn a_pattern_is_any_text_but_none() {
        assert_eq!(model_pattern("*"), Ok(()));
        let error = model_pattern("").expect_err("empty");
        assert_eq!(error.to_string(), "match: must not be empty");
    }

    #[test]
    fn only_paths_of_the_api_can_be_passed_through() {
        for path in ["/v1/files", "/v1/files/*", "/v1/fine_tuning/jobs"] {
            assert_eq!(passthrough_path(path), Ok(()), "{path}");
        }
        for path in [
            "", "/files", "/v1", "/v1/*", "/v1/../a", "/v1/a*", "/v1/%2e",
        ] {
            let error = passthrough_path(path).expect_err(path);
            assert!(error.field.is_empty(), "{path}");
        }
    }

    #[test]
    fn no_limit_is_zero() {
        assert_eq!(limits(&Limits::default()), Ok(()));
        let wrong = Limits {
            max_connections: 0,
            ..Limits::default()
        };
        let error = limits(&wrong).expect_err("zero");
        assert_eq!(error.to_string(), "maxConnections: must be at least 1");
    }

    #[test]
    fn time_limits_are_between_a_millisecond_and_a_day() {
        let total = |milliseconds| {
            let total_ms = Some(milliseconds);
            timeouts(&Timeouts {
                total_ms,
                ..Timeouts::default()
            })
        };
        assert_eq!(timeouts(&Timeouts::default()), Ok(()));
        assert_eq!((total(1), total(MAX_TIMEOUT_MS)), (Ok(()), Ok(())));
        for milliseconds in [0, MAX_TIMEOUT_MS + 1] {
            let error = total(milliseconds).expect_err("out of range");
            assert_eq!(
                error.to_string(),
                "totalMs: must be between 1 and 86400000 milliseconds"
            );
        }
    }
}
