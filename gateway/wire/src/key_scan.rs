//! Finds the values of a few keys near the top of a JSON text that goes by, without a tree.
//!
//! One pass, constant memory, any cut between pieces: the same scanner reads `model` from a
//! request, and `usage` from answers and stream events.
//! It validates nothing: text that is no JSON passes, and at worst nothing is found in it.
//! Where that could be used to deceive, [`KeyScanner::matched_keys`] and
//! [`KeyScanner::is_irregular`] tell what a reader downstream might see otherwise.

use memchr::memchr2;

/// The keys that lead to a value, from the outermost object inwards; one or two of them.
///
/// Arrays on the way count for nothing: `["choices", "finish_reason"]` is found in each element.
pub type Path = &'static [&'static str];

/// Most paths that one scanner can watch.
pub const MAX_PATHS: usize = 8;

/// Longest value that is captured; a longer one is passed over.
pub const MAX_VALUE_BYTES: usize = 4096;

/// Longest key that can match; longer ones are skipped.
const MAX_KEY_BYTES: usize = 32;

/// Object levels in which keys are looked at.
const LEVELS: usize = 2;

/// How many containers deep their kinds are known; keys below are not looked at anyway.
const KIND_BITS: u32 = u64::BITS;

/// A watched value, complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// Index into the paths that the scanner was made with.
    pub path: usize,
    /// The value's JSON text, strings with their quotes.
    pub value: &'a [u8],
}

/// The state between two pieces of one JSON text.
#[derive(Clone, Debug)]
pub struct KeyScanner {
    paths: &'static [Path],
    case: Case,
    /// Watched keys so far.
    matched_keys: u32,
    is_irregular: bool,
    /// Open containers.
    depth: u32,
    /// Open objects among them.
    objects: u32,
    /// One bit per open container, innermost lowest: is it an object?
    kinds: u64,
    /// Per object level: which paths match up to its current key.
    matches: [u8; LEVELS],
    place: Place,
    escaped: bool,
    /// The next string is a key.
    expects_key: bool,
    key: Vec<u8>,
    /// The path whose key was just read: its value comes next.
    awaited: Option<usize>,
    capture: Option<Capture>,
    value: Vec<u8>,
}

/// How keys are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Exact,
    Ignored,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Outside,
    Key,
    Text,
}

#[derive(Clone, Copy, Debug)]
struct Capture {
    path: usize,
    /// Containers that were open before the value.
    depth: u32,
    kind: ValueKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ValueKind {
    Text,
    Container,
    Scalar,
}

impl KeyScanner {
    /// A scanner at the start of a text. At most [`MAX_PATHS`] paths are watched.
    pub fn new(paths: &'static [Path]) -> Self {
        Self {
            paths: paths.get(..MAX_PATHS).unwrap_or(paths),
            case: Case::Exact,
            matched_keys: 0,
            is_irregular: false,
            depth: 0,
            objects: 0,
            kinds: 0,
            matches: [0; LEVELS],
            place: Place::Outside,
            escaped: false,
            expects_key: false,
            key: Vec::new(),
            awaited: None,
            capture: None,
            value: Vec::new(),
        }
    }

    /// The same, for keys in any case of ASCII letters: some readers, such as Go's
    /// `encoding/json`, take `Model` for `model`.
    #[must_use]
    pub fn ignoring_case(mut self) -> Self {
        self.case = Case::Ignored;
        self
    }

    /// How often a watched key came by since the start of the text, whether or not its value could
    /// be captured.
    pub fn matched_keys(&self) -> u32 {
        self.matched_keys
    }

    /// Whether something came by that no JSON text in UTF-8 has between its strings: a byte order
    /// mark, a comment, a quote of another kind, a key without quotes.
    pub fn is_irregular(&self) -> bool {
        self.is_irregular
    }

    /// Starts over for the next text, keeping buffers.
    pub fn reset(&mut self) {
        self.matched_keys = 0;
        self.is_irregular = false;
        self.depth = 0;
        self.objects = 0;
        self.kinds = 0;
        self.matches = [0; LEVELS];
        self.place = Place::Outside;
        self.escaped = false;
        self.expects_key = false;
        self.awaited = None;
        self.capture = None;
    }

    /// Reads on until a watched value is complete or the piece ends.
    ///
    /// `input` is moved behind what was read: call again with it until `None`.
    pub fn next<'s>(&'s mut self, input: &mut &[u8]) -> Option<Found<'s>> {
        let path = loop {
            let completed = if self.place == Place::Outside {
                self.scan_structure(input)
            } else {
                self.scan_string(input)
            };
            match completed {
                Some(path) => break path,
                None if input.is_empty() => return None,
                None => {}
            }
        };
        Some(Found {
            path,
            value: &self.value,
        })
    }

    /// Reads up to the end of the current string.
    fn scan_string(&mut self, input: &mut &[u8]) -> Option<usize> {
        while !input.is_empty() {
            if self.escaped {
                self.escaped = false;
                self.advance(input, 1);
                continue;
            }
            let Some(at) = memchr2(b'"', b'\\', input) else {
                self.advance(input, input.len());
                return None;
            };
            self.escaped = input.get(at) == Some(&b'\\');
            self.advance(input, at + 1);
            if !self.escaped {
                return self.end_string();
            }
        }
        None
    }

    /// Moves over bytes of a string, keeping those of a key or of a captured value.
    fn advance(&mut self, input: &mut &[u8], count: usize) {
        let (taken, rest) = input.split_at_checked(count).unwrap_or((input, &[]));
        *input = rest;
        if self.place == Place::Key && self.key.len() <= MAX_KEY_BYTES {
            let kept = taken.get(..MAX_KEY_BYTES + 1).unwrap_or(taken);
            self.key.extend_from_slice(kept);
        }
        self.keep(taken);
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.capture.is_none() {
            return;
        }
        if self.value.len() + bytes.len() > MAX_VALUE_BYTES {
            self.capture = None;
        } else {
            self.value.extend_from_slice(bytes);
        }
    }

    fn end_string(&mut self) -> Option<usize> {
        let was_key = self.place == Place::Key;
        self.place = Place::Outside;
        if was_key {
            self.match_key();
            return None;
        }
        match self.capture {
            Some(Capture {
                path,
                kind: ValueKind::Text,
                ..
            }) => {
                self.capture = None;
                Some(path)
            }
            _ => None,
        }
    }

    /// Compares the key that just ended, closing quote included, with the watched paths.
    fn match_key(&mut self) {
        self.awaited = None;
        let level = self.objects as usize;
        let outer = match level {
            1 => u8::MAX,
            2 => self.matches.first().copied().unwrap_or(0),
            _ => return,
        };
        if self.capture.is_some() || outer == 0 {
            return;
        }
        let key = plain_key(&self.key);
        let is_key = |wanted: &&str| match (key.as_deref(), self.case) {
            (Some(key), Case::Exact) => key == wanted.as_bytes(),
            (Some(key), Case::Ignored) => key.eq_ignore_ascii_case(wanted.as_bytes()),
            (None, _) => false,
        };
        let mut matching = 0;
        for (index, path) in self.paths.iter().enumerate() {
            let candidate = 1_u8 << index;
            if outer & candidate != 0 && path.get(level - 1).is_some_and(is_key) {
                matching |= candidate;
                if path.len() == level {
                    self.awaited = Some(index);
                }
            }
        }
        self.matched_keys = self
            .matched_keys
            .saturating_add(u32::from(self.awaited.is_some()));
        if let Some(slot) = self.matches.get_mut(level - 1) {
            *slot = matching;
        }
    }

    /// Reads what lies between strings, up to the next string's opening quote.
    fn scan_structure(&mut self, input: &mut &[u8]) -> Option<usize> {
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            match byte {
                b'"' => {
                    self.open_string();
                    return None;
                }
                b'{' | b'[' => self.open_container(byte),
                b'}' | b']' => {
                    let completed = self.close_container(byte);
                    if completed.is_some() {
                        return completed;
                    }
                }
                b',' => {
                    let completed = self.end_scalar();
                    self.keep(&[byte]);
                    self.expects_key = self.depth <= KIND_BITS && self.kinds & 1 == 1;
                    if completed.is_some() {
                        return completed;
                    }
                }
                b':' => self.keep(&[byte]),
                b' ' | b'\t' | b'\n' | b'\r' => {
                    let completed = self.end_scalar();
                    if completed.is_some() {
                        return completed;
                    }
                }
                _ => {
                    self.is_irregular |= self.expects_key || !is_scalar(byte);
                    self.start_capture(ValueKind::Scalar);
                    self.keep(&[byte]);
                }
            }
        }
        None
    }

    fn open_string(&mut self) {
        if self.expects_key {
            self.expects_key = false;
            self.place = Place::Key;
            self.key.clear();
        } else {
            self.start_capture(ValueKind::Text);
            self.place = Place::Text;
        }
        self.keep(b"\"");
    }

    fn open_container(&mut self, byte: u8) {
        self.start_capture(ValueKind::Container);
        self.keep(&[byte]);
        let is_object = byte == b'{';
        if self.depth < KIND_BITS {
            self.kinds = self.kinds << 1 | u64::from(is_object);
        }
        self.depth = self.depth.saturating_add(1);
        self.objects = self.objects.saturating_add(u32::from(is_object));
        self.expects_key = is_object;
    }

    fn close_container(&mut self, byte: u8) -> Option<usize> {
        let scalar = self.end_scalar();
        self.keep(&[byte]);
        self.depth = self.depth.saturating_sub(1);
        if self.depth < KIND_BITS {
            self.kinds >>= 1;
        }
        if byte == b'}' {
            self.objects = self.objects.saturating_sub(1);
        }
        self.expects_key = false;
        match self.capture {
            Some(Capture {
                path,
                depth,
                kind: ValueKind::Container,
            }) if depth >= self.depth => {
                self.capture = None;
                Some(path)
            }
            _ => scalar,
        }
    }

    fn start_capture(&mut self, kind: ValueKind) {
        if let Some(path) = self.awaited.take() {
            self.value.clear();
            self.capture = Some(Capture {
                path,
                depth: self.depth,
                kind,
            });
        }
    }

    fn end_scalar(&mut self) -> Option<usize> {
        match self.capture {
            Some(Capture {
                path,
                kind: ValueKind::Scalar,
                ..
            }) => {
                self.capture = None;
                Some(path)
            }
            _ => None,
        }
    }
}

/// Whether numbers, `true`, `false` and `null` may hold this byte; also `NaN` and the like, which
/// some write.
fn is_scalar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)
}

/// The key's bytes, unescaped; `None` where it is too long to match.
///
/// `raw` ends with the closing quote.
fn plain_key(raw: &[u8]) -> Option<std::borrow::Cow<'_, [u8]>> {
    let inner = raw.strip_suffix(b"\"")?;
    if !inner.contains(&b'\\') {
        return Some(inner.into());
    }
    let quoted = [b"\"", raw].concat();
    let key: String = serde_json::from_slice(&quoted).ok()?;
    Some(key.into_bytes().into())
}

#[cfg(test)]
mod tests;
