//! AWS's event stream: how frames are written, broken and begun.
//!
//! An encoder of our own, so that it can contradict the gateway's decoder. What the
//! payloads say is in `invoke` and `converse`.
//! Source: <https://smithy.io/2.0/aws/amazon-eventstream.html>.

use bytes::Bytes;

use crate::scenario::MAX_BYTES;

/// Two lengths and their checksum.
const PRELUDE_BYTES: usize = 12;

/// The checksum at the end of a frame.
const CHECKSUM_BYTES: usize = 4;

/// Type of a header's value: text.
const TEXT: u8 = 7;

/// An event of a type, with JSON in it.
pub(crate) fn event_frame(event_type: &str, payload: &[u8]) -> Bytes {
    let headers = [
        (":event-type", event_type),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    encode(&headers, payload)
}

/// A failure that the service's model knows, with JSON in it.
pub(crate) fn exception_frame(exception_type: &str, payload: &[u8]) -> Bytes {
    let headers = [
        (":exception-type", exception_type),
        (":content-type", "application/json"),
        (":message-type", "exception"),
    ];
    encode(&headers, payload)
}

/// Any other failure, which is all in the headers.
pub(crate) fn error_frame(code: &str, message: &str) -> Bytes {
    let headers = [
        (":error-code", code),
        (":error-message", message),
        (":message-type", "error"),
    ];
    encode(&headers, b"")
}

fn encode(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    seal(
        &headers.iter().flat_map(encode_header).collect::<Vec<u8>>(),
        payload,
    )
}

/// Names and values here are short constants: their lengths fit.
fn encode_header((name, value): &(&str, &str)) -> Vec<u8> {
    let name_bytes = u8::try_from(name.len()).unwrap_or(u8::MAX);
    let value_bytes = u16::try_from(value.len()).unwrap_or(u16::MAX);
    [
        &[name_bytes],
        name.as_bytes(),
        &[TEXT],
        &value_bytes.to_be_bytes(),
        value.as_bytes(),
    ]
    .concat()
}

/// Lengths and checksums around headers and a payload.
fn seal(headers: &[u8], payload: &[u8]) -> Bytes {
    let total = PRELUDE_BYTES + headers.len() + payload.len() + CHECKSUM_BYTES;
    let frame = [prelude(total, headers.len()).as_slice(), headers, payload].concat();
    let checksum = crc32fast::hash(&frame).to_be_bytes();
    [frame.as_slice(), &checksum].concat().into()
}

fn prelude(total_bytes: usize, header_bytes: usize) -> Vec<u8> {
    let lengths: Vec<u8> = [total_bytes, header_bytes]
        .into_iter()
        .flat_map(|length| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes())
        .collect();
    let checksum = crc32fast::hash(&lengths).to_be_bytes();
    [lengths.as_slice(), &checksum].concat()
}

/// The same frame, whole and with right checksums, its payload cut off.
pub(crate) fn break_payload(frame: &Bytes) -> Bytes {
    let header_bytes = frame.get(4..8).and_then(|bytes| bytes.try_into().ok());
    let header_bytes = header_bytes.map_or(0, u32::from_be_bytes) as usize;
    let inside = frame
        .get(PRELUDE_BYTES..frame.len() - CHECKSUM_BYTES)
        .unwrap_or_default();
    let (headers, payload) = inside.split_at_checked(header_bytes).unwrap_or_default();
    let kept = payload.get(..payload.len() * 3 / 4).unwrap_or_default();
    seal(headers, kept)
}

/// The start of a frame that announces more than anybody will send.
pub(crate) fn begin_endless() -> Bytes {
    prelude(2 * MAX_BYTES, 0).into()
}

#[cfg(test)]
pub(crate) mod tests {
    use aws_smithy_eventstream::frame::read_message_from;
    use aws_smithy_types::event_stream::Message;

    use super::*;

    /// Reads a frame as AWS's own library does, checksums included.
    pub(crate) fn decode(frame: &Bytes) -> Message {
        read_message_from(&mut frame.as_ref()).expect("a whole frame with right checksums")
    }

    /// The text of a header.
    pub(crate) fn header<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
        let mut headers = message.headers().iter();
        let found = headers.find(|header| header.name().as_str() == name)?;
        Some(found.value().as_string().expect("text").as_str())
    }

    #[test]
    fn frames_are_read_by_the_library_of_aws() {
        let message = decode(&event_frame("chunk", b"{}"));
        assert_eq!(header(&message, ":message-type"), Some("event"));
        assert_eq!(header(&message, ":event-type"), Some("chunk"));
        assert_eq!(header(&message, ":content-type"), Some("application/json"));
        assert_eq!(message.payload().as_ref(), b"{}");
    }

    #[test]
    fn failures_are_told_apart_by_their_headers() {
        let message = decode(&exception_frame("throttlingException", b"{}"));
        assert_eq!(header(&message, ":message-type"), Some("exception"));
        assert_eq!(
            header(&message, ":exception-type"),
            Some("throttlingException")
        );
        let message = decode(&error_frame("InternalFailure", "oh"));
        assert_eq!(header(&message, ":error-code"), Some("InternalFailure"));
        assert_eq!(header(&message, ":error-message"), Some("oh"));
        assert!(message.payload().is_empty());
    }

    #[test]
    fn a_broken_payload_stands_in_a_sound_frame() {
        let broken = decode(&break_payload(&event_frame("chunk", br#"{"bytes":""}"#)));
        assert_eq!(header(&broken, ":event-type"), Some("chunk"));
        assert_eq!(broken.payload().as_ref(), br#"{"bytes":"#);
    }

    #[test]
    fn the_endless_frame_announces_more_than_the_limit_in_a_sound_prelude() {
        let start = begin_endless();
        let (lengths, checksum) = start.split_at(8);
        assert_eq!(checksum, crc32fast::hash(lengths).to_be_bytes());
        assert!(u32::from_be_bytes(lengths[..4].try_into().expect("4 bytes")) as usize > MAX_BYTES);
    }
}
