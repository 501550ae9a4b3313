//! The decoder at every cut, with broken bytes, and against frames that AWS published.

use proptest::{collection::vec, prelude::*};

use super::*;

/// The messages of a stream that arrives so, and what ended it.
fn decode<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Message>, Result<bool, FrameFault>) {
    let mut decoder = Decoder::default();
    let mut messages = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(fault) => return (messages, Err(fault)),
            }
        }
    }
    (messages, Ok(decoder.is_between_frames()))
}

fn event(name: &str, payload: &'static [u8]) -> Message {
    Message {
        kind: Kind::Event(name.to_owned()),
        payload: Bytes::from_static(payload),
    }
}

fn encode_all(messages: &[Message]) -> Vec<u8> {
    let frames = messages.iter().map(|one| encode(one).expect("short"));
    frames.collect::<Vec<_>>().concat()
}

/// A frame by the letter of the specification, with its checksums.
fn frame(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let total = 16 + headers.len() + payload.len();
    let mut frame = Vec::new();
    frame.extend(u32::try_from(total).expect("short").to_be_bytes());
    frame.extend(u32::try_from(headers.len()).expect("short").to_be_bytes());
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame.extend([headers, payload].concat());
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame
}

fn text_header(name: &str, value: &str) -> Vec<u8> {
    let mut header = vec![u8::try_from(name.len()).expect("short")];
    header.extend(name.as_bytes());
    header.push(7);
    header.extend(u16::try_from(value.len()).expect("short").to_be_bytes());
    header.extend(value.as_bytes());
    header
}

#[test]
fn a_frame_is_what_the_specification_says() {
    let headers = [
        text_header(":event-type", "chunk"),
        text_header(":content-type", "application/json"),
        text_header(":message-type", "event"),
    ];
    let expected = frame(&headers.concat(), b"{}");
    let message = event("chunk", b"{}");
    assert_eq!(encode(&message).expect("short"), expected);
    assert_eq!(decode([&expected[..]]), (vec![message], Ok(true)));
}

#[test]
fn headers_of_every_type_are_passed_over() {
    let mut headers = text_header(":message-type", "event");
    for (kind, value) in [
        (0, &b""[..]),
        (1, b""),
        (2, b"\x01"),
        (3, b"\x00\x01"),
        (4, b"\x00\x00\x00\x01"),
        (5, b"\x00\x00\x00\x00\x00\x00\x00\x01"),
        (6, b"\x00\x02ab"),
        (8, b"\x00\x00\x00\x00\x00\x00\x00\x01"),
        (9, b"0123456789abcdef"),
    ] {
        headers.extend([&[1, b'x', kind], value].concat());
    }
    headers.extend(text_header(":event-type", "chunk"));
    let stream = frame(&headers, b"");
    let expected = (vec![event("chunk", b"")], Ok(true));
    assert_eq!(decode([&stream[..]]), expected);
}

#[test]
fn a_frame_must_say_what_it_is() {
    let kinds = [
        vec![],
        text_header(":message-type", "event"),
        text_header(":message-type", "surprise"),
        [
            text_header(":message-type", "exception"),
            text_header(":event-type", "chunk"),
        ]
        .concat(),
        // A number where a text belongs.
        [
            &text_header(":event-type", "chunk")[..],
            b"\x0d:message-type\x02\x01",
        ]
        .concat(),
    ];
    for headers in kinds {
        let stream = frame(&headers, b"{}");
        assert_eq!(decode([&stream[..]]), (vec![], Err(FrameFault::Unlabelled)));
    }
}

#[test]
fn a_frame_above_the_bound_is_refused_by_its_first_bytes() {
    let mut prelude = Vec::new();
    prelude.extend((16_u32 << 20).wrapping_add(1).to_be_bytes());
    prelude.extend(0_u32.to_be_bytes());
    prelude.extend(crc32fast::hash(&prelude).to_be_bytes());
    let mut decoder = Decoder::default();
    decoder.push(&prelude);
    let bytes = (16 << 20) + 1;
    assert_eq!(decoder.next_message(), Err(FrameFault::TooLarge { bytes }));
    decoder.push(&[0; 64]);
    assert_eq!(decoder.next_message(), Err(FrameFault::TooLarge { bytes }));
    assert!(!decoder.is_between_frames());
}

#[test]
fn headers_above_the_bound_are_refused_by_the_first_bytes() {
    for (headers, expected) in [
        (MAX_HEADERS_BYTES, Ok(None)),
        (MAX_HEADERS_BYTES + 1, Err(FrameFault::Broken)),
    ] {
        let mut prelude = Vec::new();
        prelude.extend((1_u32 << 20).to_be_bytes());
        prelude.extend(u32::try_from(headers).expect("short").to_be_bytes());
        prelude.extend(crc32fast::hash(&prelude).to_be_bytes());
        let mut decoder = Decoder::default();
        decoder.push(&prelude);
        assert_eq!(decoder.next_message(), expected);
    }
}

#[test]
fn a_fault_sets_free_what_was_held() {
    let mut decoder = Decoder::default();
    decoder.push(&[0; 4096]);
    assert_eq!(decoder.next_message(), Err(FrameFault::Broken));
    decoder.push(&[0; 4096]);
    assert_eq!(decoder.next_message(), Err(FrameFault::Broken));
    assert_eq!(decoder.buffer.capacity(), 0);
}

#[test]
fn lengths_that_contradict_each_other_are_refused() {
    for (total, headers) in [(0, 0), (11, 0), (12, 0), (15, 0), (16, 1), (20, u32::MAX)] {
        let mut stream = Vec::new();
        stream.extend(u32::to_be_bytes(total));
        stream.extend(u32::to_be_bytes(headers));
        stream.extend(crc32fast::hash(&stream).to_be_bytes());
        stream.extend([0; 16]);
        let (messages, end) = decode([&stream[..]]);
        assert_eq!(
            (messages, end),
            (vec![], Err(FrameFault::Broken)),
            "{total} {headers}"
        );
    }
}

#[test]
fn a_frame_above_the_bound_is_not_written() {
    let message = |payload_bytes: usize| Message {
        kind: Kind::Event(String::new()),
        payload: vec![0; payload_bytes].into(),
    };
    let overhead = encode(&message(0)).expect("short").len();
    let largest = encode(&message(MAX_FRAME_BYTES - overhead)).expect("fits");
    let (messages, end) = decode([&largest[..]]);
    assert_eq!((messages.len(), end), (1, Ok(true)));
    assert_eq!(encode(&message(MAX_FRAME_BYTES - overhead + 1)), None);
}

#[test]
fn names_that_no_header_holds_are_not_written() {
    let message = Message {
        kind: Kind::Exception("x".repeat(1 << 16)),
        payload: Bytes::new(),
    };
    assert_eq!(encode(&message), None);
}

fn any_message() -> impl Strategy<Value = Message> {
    let name = "[a-zA-Z]{0,40}";
    let kind = prop_oneof![
        name.prop_map(Kind::Event),
        name.prop_map(Kind::Exception),
        (name, ".{0,60}").prop_map(|(code, message)| Kind::Error { code, message }),
    ];
    let payload = vec(any::<u8>(), 0..200).prop_map(Bytes::from);
    (kind, payload).prop_map(|(kind, payload)| Message { kind, payload })
}

/// The bytes in pieces of these lengths, again and again; some may be empty.
fn cut<'a>(bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = bytes;
    let mut pieces = Vec::new();
    for length in lengths.iter().cycle() {
        let (piece, tail) = rest.split_at((*length).min(rest.len()));
        pieces.push(piece);
        rest = tail;
        if rest.is_empty() {
            break;
        }
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages_come_back_however_they_are_cut(
        messages in vec(any_message(), 0..8),
        lengths in vec(0_usize..50, 1..8).prop_filter("some progress", |all| all.iter().any(|one| *one > 0)),
    ) {
        let stream = encode_all(&messages);
        let (decoded, end) = decode(cut(&stream, &lengths));
        prop_assert_eq!(decoded, messages);
        prop_assert_eq!(end, Ok(true));
    }

    #[test]
    fn no_more_is_held_than_a_frame_and_a_piece(
        messages in vec(any_message(), 1..40),
        size in 1_usize..400,
    ) {
        let largest = messages.iter().map(|one| encode(one).expect("short").len()).max().expect("one");
        let stream = encode_all(&messages);
        let mut decoder = Decoder::default();
        for piece in stream.chunks(size) {
            decoder.push(piece);
            while decoder.next_message().expect("whole frames").is_some() {}
            prop_assert!(decoder.buffer.len() < largest);
            // A buffer grows by doubling, however long the stream.
            prop_assert!(decoder.buffer.capacity() <= 4 * (largest + size));
        }
    }

    #[test]
    fn right_checksums_make_no_bytes_harmful(
        headers in vec(any::<u8>(), 0..80),
        payload in vec(any::<u8>(), 0..20),
        size in 1_usize..40,
    ) {
        let stream = frame(&headers, &payload);
        prop_assert_eq!(decode([&stream[..]]), decode(stream.chunks(size)));
    }

    #[test]
    fn a_flipped_bit_never_yields_a_wrong_message(
        messages in vec(any_message(), 1..5),
        place in any::<proptest::sample::Index>(),
        bit in 0_u32..8,
    ) {
        let mut stream = encode_all(&messages);
        let place = place.index(stream.len());
        stream[place] ^= 1 << bit;
        let (decoded, end) = decode([&stream[..]]);
        prop_assert!(decoded.len() < messages.len());
        prop_assert_eq!(&decoded[..], &messages[..decoded.len()]);
        prop_assert_ne!(end, Ok(true));
    }

    #[test]
    fn a_truncated_stream_yields_only_what_came_whole(
        messages in vec(any_message(), 1..5),
        place in any::<proptest::sample::Index>(),
    ) {
        let stream = encode_all(&messages);
        let length = place.index(stream.len());
        let (decoded, end) = decode([&stream[..length]]);
        let whole = (0..=messages.len())
            .rfind(|count| encode_all(&messages[..*count]).len() <= length)
            .expect("none at least");
        prop_assert_eq!(&decoded[..], &messages[..whole]);
        prop_assert_eq!(end, Ok(encode_all(&messages[..whole]).len() == length));
    }
}
