//! Server-sent events: a scanner that follows a stream without holding it, and an encoder.
//!
//! Source: <https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>.
//! What the payloads mean is the dialects' matter.

use bytes::Bytes;
use memchr::memchr2;

/// Largest accepted frame, all its lines together; a provider that sends more is broken or hostile.
///
/// Legitimate frames are large: the last event of a Responses stream repeats the whole output,
/// images among it.
pub const MAX_FRAME_BYTES: usize = 16 << 20;

/// Bytes of a field's name that are kept to tell `data` from the rest.
const NAME_BYTES: usize = 5;

/// A comment frame that every SSE client ignores, for keeping a silent connection alive.
pub const COMMENT_PING: &[u8] = b": ping\n\n";

/// Anthropic's own keep-alive event.
pub const ANTHROPIC_PING: &[u8] = b"event: ping\ndata: {\"type\": \"ping\"}\n\n";

/// What [`Scanner::push`] reports while bytes go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// The next bytes of a `data` line's value, in order; a line may come in many pieces.
    Data(&'a [u8]),
    /// A `data` line ended. Another one in the same frame continues the value after a line feed.
    DataEnd,
    /// A blank line ended the frame.
    FrameEnd,
}

/// A frame is larger than [`MAX_FRAME_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameTooLarge;

/// Follows an event stream that arrives in arbitrary pieces, in constant memory.
///
/// Line ends may be LF, CRLF or CR, and may be split between two pushes.
#[derive(Clone, Debug)]
pub struct Scanner {
    state: State,
    name: [u8; NAME_BYTES],
    name_len: usize,
    /// Nothing of the current line has come yet.
    is_blank_line: bool,
    frame_bytes: usize,
    /// The last byte was a CR that ended a line: an LF right after it belongs to it.
    after_cr: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Inside a field's name, at the start of the line if nothing was kept yet.
    Name,
    /// Right after `data:`, where one space is not part of the value.
    DataStart,
    /// Inside the value of a `data` line.
    Data,
    /// Inside any other line.
    Other,
}

impl Default for Scanner {
    /// A scanner at the start of a stream.
    fn default() -> Self {
        Self {
            state: State::Name,
            name: [0; NAME_BYTES],
            name_len: 0,
            is_blank_line: true,
            frame_bytes: 0,
            after_cr: false,
        }
    }
}

impl Scanner {
    /// Whether the stream stands between two frames, so that another frame may be inserted.
    pub fn is_between_frames(&self) -> bool {
        self.frame_bytes == 0
    }

    /// Follows the next bytes and reports their pieces in order.
    ///
    /// # Errors
    /// [`FrameTooLarge`] once a frame exceeds its bound; the scanner is of no use afterwards.
    pub fn push<'a>(
        &mut self,
        bytes: &'a [u8],
        mut report: impl FnMut(Piece<'a>),
    ) -> Result<(), FrameTooLarge> {
        let mut rest = bytes;
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while !rest.is_empty() {
            let Some(end) = memchr2(b'\n', b'\r', rest) else {
                return self.take_content(rest, &mut report);
            };
            let (content, tail) = rest.split_at(end);
            self.take_content(content, &mut report)?;
            rest = self.skip_line_end(tail);
            self.end_line(&mut report);
        }
        Ok(())
    }

    /// Drops CR, LF or CRLF from the front of a non-empty slice.
    fn skip_line_end<'a>(&mut self, tail: &'a [u8]) -> &'a [u8] {
        match tail {
            [b'\r', b'\n', rest @ ..] => rest,
            [b'\r'] => {
                self.after_cr = true;
                &[]
            }
            [_, rest @ ..] => rest,
            [] => tail,
        }
    }

    fn take_content<'a>(
        &mut self,
        content: &'a [u8],
        report: &mut impl FnMut(Piece<'a>),
    ) -> Result<(), FrameTooLarge> {
        self.is_blank_line &= content.is_empty();
        self.frame_bytes = self.frame_bytes.saturating_add(content.len());
        if self.frame_bytes > MAX_FRAME_BYTES {
            return Err(FrameTooLarge);
        }
        let mut rest = content;
        while let (State::Name, [byte, tail @ ..]) = (self.state, rest) {
            self.take_name_byte(*byte);
            rest = tail;
        }
        if let (State::DataStart, [first, tail @ ..]) = (self.state, rest) {
            self.state = State::Data;
            if *first == b' ' {
                rest = tail;
            }
        }
        if self.state == State::Data && !rest.is_empty() {
            report(Piece::Data(rest));
        }
        Ok(())
    }

    fn take_name_byte(&mut self, byte: u8) {
        if byte == b':' {
            self.state = if self.is_data() {
                State::DataStart
            } else {
                State::Other
            };
            return;
        }
        match self.name.get_mut(self.name_len) {
            Some(slot) => {
                *slot = byte;
                self.name_len += 1;
            }
            None => self.state = State::Other,
        }
    }

    fn is_data(&self) -> bool {
        self.name.get(..self.name_len) == Some(b"data")
    }

    fn end_line<'a>(&mut self, report: &mut impl FnMut(Piece<'a>)) {
        if self.is_blank_line {
            if self.frame_bytes > 0 {
                report(Piece::FrameEnd);
            }
            self.frame_bytes = 0;
        } else if matches!(self.state, State::Data | State::DataStart)
            || (self.state == State::Name && self.is_data())
        {
            report(Piece::DataEnd);
        }
        self.state = State::Name;
        self.name_len = 0;
        self.is_blank_line = true;
    }
}

/// Writes one frame: an optional event name and one line of data.
///
/// `data` must hold no line end, as compact JSON does.
pub fn encode(event: Option<&str>, data: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(data.len() + 32);
    if let Some(event) = event {
        frame.extend_from_slice(b"event: ");
        frame.extend_from_slice(event.as_bytes());
        frame.push(b'\n');
    }
    frame.extend_from_slice(b"data: ");
    frame.extend_from_slice(data);
    frame.extend_from_slice(b"\n\n");
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The `data` values of the complete frames, however the stream is cut.
    fn frames(pieces: &[&[u8]]) -> Vec<String> {
        let mut scanner = Scanner::default();
        let (mut out, mut lines, mut line) = (Vec::new(), Vec::new(), Vec::new());
        for piece in pieces {
            scanner
                .push(piece, |piece| match piece {
                    Piece::Data(bytes) => line.extend_from_slice(bytes),
                    Piece::DataEnd => lines.push(std::mem::take(&mut line)),
                    Piece::FrameEnd => {
                        let data = std::mem::take(&mut lines).join(&b'\n');
                        out.push(String::from_utf8(data).expect("UTF-8"));
                    }
                })
                .expect("within bounds");
        }
        out
    }

    const STREAM: &[u8] =
        "event: a\ndata: {\"x\":\"\u{e4}\u{1f600}\"}\n\n: comment\r\n\r\ndata:one\r\ndata: two\r\n\r\nid: 7\rdata:  kept\r\rdata\n\n".as_bytes();
    const EXPECTED: [&str; 5] = ["{\"x\":\"\u{e4}\u{1f600}\"}", "", "one\ntwo", " kept", ""];

    #[test]
    fn frames_are_found_with_every_kind_of_line_end() {
        assert_eq!(frames(&[STREAM]), EXPECTED);
    }

    #[test]
    fn frames_survive_a_cut_at_every_byte() {
        for cut in 0..=STREAM.len() {
            let (head, tail) = STREAM.split_at(cut);
            assert_eq!(frames(&[head, tail]), EXPECTED, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = STREAM.chunks(1).collect();
        assert_eq!(frames(&bytes), EXPECTED);
    }

    #[test]
    fn only_a_blank_line_puts_the_stream_between_frames() {
        let mut scanner = Scanner::default();
        for (bytes, between) in [
            (&b"data: a"[..], false),
            (b"\n", false),
            (b"\n", true),
            (b"\n", true),
            (b"d", false),
        ] {
            scanner.push(bytes, |_| ()).expect("within bounds");
            assert_eq!(scanner.is_between_frames(), between, "{bytes:?}");
        }
    }

    #[test]
    fn endless_frames_are_refused_whatever_their_lines() {
        let line = vec![b'x'; 1 << 20];
        let lines = [line.as_slice(), b"\n"].concat();
        for block in [line, lines] {
            let mut scanner = Scanner::default();
            let pushed = (0..16).try_for_each(|_| scanner.push(&block, |_| ()));
            assert_eq!(pushed, Ok(()));
            assert_eq!(scanner.push(&block, |_| ()), Err(FrameTooLarge));
        }
    }

    #[test]
    fn encoded_frames_read_back() {
        let frame = encode(Some("error"), b"{}");
        assert_eq!(&frame[..], b"event: error\ndata: {}\n\n");
        assert_eq!(frames(&[&frame]), ["{}"]);
    }
}
