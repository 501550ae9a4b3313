//! Requests that come back: a gateway in front of gateways says so in each request, and knows its
//! own word again.
//!
//! Source: RFC 9110, 7.6.3.

use http::{HeaderMap, HeaderValue, header::VIA};

use crate::error::GatewayError;

/// Most Anyray gateways that a request may pass: a loop whose gateways have many replicas ends
/// here, before it meets the same process again.
const MAX_HOPS: usize = 8;

/// How an Anyray gateway calls itself, before the number of its process.
const PSEUDONYM: &str = "anyray-";

/// Notes in the header `via` that the request passed the process of this number.
///
/// # Errors
/// [`GatewayError::LoopDetected`] where it has passed before, or too many others have.
pub fn note(headers: &mut HeaderMap, process: u32) -> Result<(), GatewayError> {
    let own = format!("{PSEUDONYM}{process:08x}");
    let received = headers.get_all(VIA).iter();
    let received = received.filter_map(|value| value.to_str().ok());
    let names = received
        .flat_map(|value| value.split(','))
        .filter_map(|hop| {
            let name = hop.split_whitespace().nth(1)?;
            name.starts_with(PSEUDONYM).then_some(name)
        });
    let (mut hops, mut is_known) = (0, false);
    for name in names {
        hops += 1;
        is_known |= name == own;
    }
    if is_known || hops >= MAX_HOPS {
        return Err(GatewayError::LoopDetected);
    }
    if let Ok(hop) = HeaderValue::try_from(format!("1.1 {own}")) {
        headers.append(VIA, hop);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let pairs = values.iter().map(|value| {
            let value = HeaderValue::from_str(value).expect("a value");
            (VIA, value)
        });
        pairs.collect()
    }

    #[test]
    fn each_gateway_adds_itself_to_what_is_there() {
        let mut headers = headers(&["1.1 google, 1.1 anyray-00000002"]);
        assert_eq!(note(&mut headers, 1), Ok(()));
        let values: Vec<_> = headers.get_all(VIA).iter().collect();
        assert_eq!(
            values,
            ["1.1 google, 1.1 anyray-00000002", "1.1 anyray-00000001"]
        );
    }

    #[test]
    fn a_request_that_was_here_before_goes_no_further() {
        for known in [
            "1.1 anyray-00000001",
            "1.1 x,1.1 anyray-00000001 (y), 1.0 z",
        ] {
            let mut headers = headers(&[known]);
            assert_eq!(note(&mut headers, 1), Err(GatewayError::LoopDetected));
        }
    }

    #[test]
    fn replicas_that_take_turns_come_to_an_end() {
        let mut headers = HeaderMap::new();
        let passed = (0..100).take_while(|process| note(&mut headers, *process).is_ok());
        assert_eq!(passed.count(), MAX_HOPS);
    }

    #[test]
    fn other_proxies_count_for_nothing() {
        let mut headers = headers(&["1.1 a, 1.1 b, 1.1 c", "odd", "1.1 d, 1.1 e, 1.1 f, 1.1 g"]);
        assert_eq!(note(&mut headers, 1), Ok(()));
    }
}
