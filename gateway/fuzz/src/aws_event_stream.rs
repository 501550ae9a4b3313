//! AWS's frames and Claude's events in them read the same however a stream is cut, and what was
//! written as a frame is read as it was.

use anyray_wire::{
    aws_event_stream::{Decoder, FrameFault, Kind, Message, encode},
    bedrock::claude::{StreamFault, Translator},
    sse::Scanner,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};

/// The messages, and whether the stream stands between frames, or what ended it.
fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Message>, Result<bool, FrameFault>) {
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

/// The events, and the same.
fn translate<'a>(
    mut pieces: impl Iterator<Item = &'a [u8]>,
) -> (BytesMut, Result<bool, StreamFault>) {
    let mut translator = Translator::default();
    let mut events = BytesMut::new();
    let pushed = pieces.try_for_each(|piece| translator.push(piece, &mut events));
    let end = pushed.map(|()| translator.is_between_frames());
    (events, end)
}

/// The input as messages, since no mutation finds a checksum: each part's first byte says what the
/// rest is.
fn messages(input: &[u8]) -> Vec<Message> {
    let parts = input
        .split(|byte| *byte == 0xff)
        .filter_map(<[u8]>::split_first);
    let messages = parts.map(|(first, rest)| {
        let text = String::from_utf8_lossy(rest).into_owned();
        let event = |payload: Vec<u8>| Message {
            kind: Kind::Event("chunk".to_owned()),
            payload: payload.into(),
        };
        match first % 5 {
            0 | 1 => event(format!(r#"{{"bytes":"{}"}}"#, STANDARD.encode(rest)).into()),
            2 => event(rest.to_vec()),
            3 => Message {
                kind: Kind::Exception(text),
                payload: Bytes::copy_from_slice(rest),
            },
            _ => Message {
                kind: Kind::Error {
                    code: text.clone(),
                    message: text,
                },
                payload: Bytes::new(),
            },
        }
    });
    messages.collect()
}

/// The input as one frame with the right checksums: headers of this length, then the payload.
fn frame(headers_bytes: usize, input: &[u8]) -> Vec<u8> {
    let lengths = [input.len() + 16, headers_bytes.min(input.len())];
    let lengths = lengths.map(|length| u32::try_from(length).expect("short").to_be_bytes());
    let prelude = lengths.concat();
    let checksum = crc32fast::hash(&prelude).to_be_bytes();
    let mut frame = [&prelude, &checksum[..], input].concat();
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame
}

fn check_stream(size: usize, stream: &[u8]) {
    let whole = decode(std::iter::once(stream));
    assert_eq!(whole, decode(stream.chunks(size)));
    let translated = translate(std::iter::once(stream));
    assert_eq!(translated, translate(stream.chunks(size)));
    let mut scanner = Scanner::default();
    scanner
        .push(&translated.0, |_| ())
        .expect("inputs are far below the bounds");
    assert!(scanner.is_between_frames(), "half an event was written");
}

/// Checks one input: its first byte says how long the pieces of the rest are.
///
/// # Panics
///
/// The claim of this module does not hold.
pub fn check(input: &[u8]) {
    let Some((size, stream)) = input.split_first() else {
        return;
    };
    let size = usize::from(*size).max(1);
    check_stream(size, stream);
    check_stream(size, &frame(size, stream));
    let messages = messages(stream);
    let Some(frames) = messages.iter().map(encode).collect::<Option<Vec<_>>>() else {
        return;
    };
    let frames = frames.concat();
    check_stream(size, &frames);
    assert_eq!(decode(std::iter::once(&frames[..])), (messages, Ok(true)));
}
