//! Where two bodies differ, and what the gateway may add to a stream.

use anyhow::{Result, bail};
use bytes::Bytes;

/// What the gateway writes into a stream that is silent: a comment for the OpenAI
/// dialects, Anthropic's own event for its dialect.
const PINGS: [&[u8]; 2] = [
    b": ping\n\n",
    b"event: ping\ndata: {\"type\": \"ping\"}\n\n",
];

/// Bytes that the client received and the provider did not send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Pings between events.
    pub pings: usize,
    /// What stands behind the provider's last byte.
    pub tail: Bytes,
}

/// Checks that all that was sent was received, in order and unchanged, and returns
/// what was added between events.
///
/// # Errors
///
/// A byte is missing or differs; the message says where.
pub fn find_added(sent: &[u8], received: &[u8]) -> Result<Added> {
    let (mut expected, mut rest) = (sent, received);
    let mut pings = 0;
    loop {
        let frame = first_frame(expected);
        let after_ping = PINGS.iter().find_map(|ping| rest.strip_prefix(*ping));
        let after_frame = rest.strip_prefix(frame).filter(|_| !frame.is_empty());
        if let Some(after) = after_frame {
            expected = expected.get(frame.len()..).unwrap_or_default();
            rest = after;
        } else if let Some(after) = after_ping {
            pings += 1;
            rest = after;
        } else if expected.is_empty() {
            return Ok(Added {
                pings,
                tail: Bytes::copy_from_slice(rest),
            });
        } else {
            let at = find_difference(expected, rest).unwrap_or_default();
            let offset = sent.len() - expected.len() + at;
            bail!(
                "the response differs at byte {offset}: sent {:?}, received {:?}",
                excerpt(expected, at),
                excerpt(rest, at)
            );
        }
    }
}

/// The first byte that differs, if any; the end of the shorter counts.
pub fn find_difference(left: &[u8], right: &[u8]) -> Option<usize> {
    if left == right {
        return None;
    }
    Some(left.iter().zip(right).take_while(|(a, b)| a == b).count())
}

/// Some bytes around a place, as text.
pub fn excerpt(bytes: &[u8], at: usize) -> String {
    let start = at.saturating_sub(20);
    let end = (at + 60).min(bytes.len());
    String::from_utf8_lossy(bytes.get(start..end).unwrap_or_default()).into_owned()
}

/// An event with its blank line; what has none is one piece.
fn first_frame(bytes: &[u8]) -> &[u8] {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n");
    end.and_then(|end| bytes.get(..end + 2)).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(sent: &str, received: &str) -> Option<(usize, String)> {
        let added = find_added(sent.as_bytes(), received.as_bytes()).ok()?;
        Some((
            added.pings,
            String::from_utf8_lossy(&added.tail).into_owned(),
        ))
    }

    #[test]
    fn equal_bodies_have_nothing_added() {
        for body in ["", "{}", "data: 1\n\n", "data: 1\n\ndata: 2"] {
            assert_eq!(added(body, body), Some((0, String::new())));
        }
    }

    #[test]
    fn pings_count_between_events_only() {
        assert_eq!(
            added("a\n\nb\n\n", ": ping\n\na\n\n: ping\n\nb\n\n"),
            Some((2, String::new()))
        );
        assert_eq!(added("a\n\nb\n\n", "a: ping\n\n\n\nb\n\n"), None);
        // The provider's own ping is no addition.
        assert_eq!(
            added(": ping\n\nb\n\n", ": ping\n\nb\n\n"),
            Some((0, String::new()))
        );
    }

    #[test]
    fn what_follows_the_last_byte_is_the_tail() {
        assert_eq!(
            added("a\n\n", "a\n\nevent: error\n\n"),
            Some((0, "event: error\n\n".to_owned()))
        );
        assert_eq!(added("a\n\nhal", "a\n\nhal!"), Some((0, "!".to_owned())));
    }

    #[test]
    fn a_missing_or_moved_byte_is_an_error() {
        for received in ["", "a\n\n", "b\n\na\n\n", "a\n\nB\n\n"] {
            assert_eq!(added("a\n\nb\n\n", received), None, "{received:?}");
        }
    }
}
