//! Requests of each dialect, as bytes, and what their errors look like.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::raw::Answer;

/// A request that is written to the wire as it stands here.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    is_chunked: bool,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, target: &str) -> Self {
        let headers = vec![("host".to_owned(), "gateway.test".to_owned())];
        let (method, target) = (method.to_owned(), target.to_owned());
        Self {
            method,
            target,
            headers,
            body: Vec::new(),
            is_chunked: false,
        }
    }

    /// Adds a header, even where it is there already.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes every header of this name away.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(key, _)| key != name);
        self
    }

    /// Sets the body, sent with its length.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends the body in chunks, without its length.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.is_chunked = true;
        self
    }

    /// Sends it to another path.
    #[must_use]
    pub fn to(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    /// The head, framing included.
    pub fn head_bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.is_chunked {
            head.push_str("transfer-encoding: chunked\r\n");
        } else if !self.body.is_empty() {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// All of it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.head_bytes();
        if !self.is_chunked {
            bytes.extend_from_slice(&self.body);
            return bytes;
        }
        for chunk in self.body.chunks(CHUNK_BYTES) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    }

    /// The body without its transfer coding.
    pub fn body_bytes(&self) -> &[u8] {
        &self.body
    }
}

/// Size of the chunks of [`Request::chunked`].
const CHUNK_BYTES: usize = 16 * 1024;

/// One of the APIs that the gateway speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI chat completions.
    Chat,
    /// OpenAI Responses.
    Responses,
    /// Anthropic messages.
    Messages,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 3] = [Self::Chat, Self::Responses, Self::Messages];

    /// Where its requests go.
    pub fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Responses => "/v1/responses",
            Self::Messages => "/v1/messages",
        }
    }

    /// The operation's name in metrics and logs.
    pub fn operation(self) -> &'static str {
        match self {
            Self::Chat => "chat_completions",
            Self::Responses => "responses",
            Self::Messages => "messages",
        }
    }

    /// The provider whose API it is.
    pub fn provider(self) -> &'static str {
        match self {
            Self::Chat | Self::Responses => "openai",
            Self::Messages => "anthropic",
        }
    }

    /// A request that is answered in one piece.
    pub fn request(self, model: &str) -> Request {
        self.post(&self.fields(model))
    }

    /// A request that is answered with a stream, usage included.
    pub fn stream(self, model: &str) -> Request {
        self.request_with(
            model,
            match self {
                Self::Chat => json!({"stream": true, "stream_options": {"include_usage": true}}),
                Self::Responses | Self::Messages => json!({"stream": true}),
            },
        )
    }

    /// A request with more fields, or others.
    pub fn request_with(self, model: &str, more: Value) -> Request {
        let mut fields = self.fields(model);
        if let (Value::Object(fields), Value::Object(more)) = (&mut fields, more) {
            fields.extend(more);
        }
        self.post(&fields)
    }

    /// A request whose body is larger than this.
    pub fn request_of(self, model: &str, bytes: usize) -> Request {
        self.request_with(model, json!({"metadata": {"filler": "x".repeat(bytes)}}))
    }

    /// A request with this body.
    pub fn post(self, body: &Value) -> Request {
        let request = Request::new("POST", self.path())
            .header("content-type", "application/json")
            .body(body.to_string());
        match self {
            Self::Chat | Self::Responses => request,
            Self::Messages => request.header("anthropic-version", "2023-06-01"),
        }
    }

    /// The fields of a small request.
    pub fn fields(self, model: &str) -> Value {
        let messages =
            json!([{"role": "user", "content": "one two three four five six seven eight"}]);
        match self {
            Self::Chat => json!({"model": model, "messages": messages}),
            Self::Responses => json!({"model": model, "input": messages}),
            Self::Messages => json!({"model": model, "max_tokens": 9, "messages": messages}),
        }
    }

    /// Checks that a body is the gateway's own error in this dialect; returns its text.
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn read_error(self, body: &Value) -> Result<String> {
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
        let message = text("/error/message").with_context(|| format!("no message in {body}"))?;
        let own = match self {
            Self::Chat | Self::Responses => text("/error/code"),
            Self::Messages => text("/request_id").filter(|_| text("/type") == Some("error")),
        };
        ensure!(
            own.is_some() && text("/error/type").is_some(),
            "not of {self:?}: {body}"
        );
        Ok(message.to_owned())
    }

    /// The machine-readable code of the gateway's own error.
    ///
    /// # Errors
    ///
    /// It is none in this dialect.
    pub fn read_code(self, answer: &Answer) -> Result<String> {
        let body = answer.json()?;
        let code = match self {
            Self::Chat | Self::Responses => body.pointer("/error/code"),
            Self::Messages => body.pointer("/error/details/error_code"),
        };
        let code = code.and_then(Value::as_str);
        Ok(code
            .with_context(|| format!("no code in {body}"))?
            .to_owned())
    }

    /// Checks that an answer is a refusal with this status and code that no client tries again;
    /// returns its text.
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn check_refusal(self, answer: &Answer, status: u16, code: &str) -> Result<String> {
        let message = self.check_error(answer, status)?;
        let found = self.read_code(answer)?;
        ensure!(found == code, "{found} is not {code}: {message}");
        let retry = answer.head.values("x-should-retry");
        ensure!(retry == ["false"], "{code}: x-should-retry is {retry:?}");
        Ok(message)
    }

    /// Checks that an answer is the gateway's own error with this status; returns its text.
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn check_error(self, answer: &Answer, status: u16) -> Result<String> {
        ensure!(
            answer.status() == status,
            "{} is not {status}: {}",
            answer.status(),
            answer.text()
        );
        ensure!(answer.is_whole, "the error is cut: {}", answer.text());
        ensure!(
            answer.head.header("x-anyray-request-id").is_some(),
            "the error has no id"
        );
        self.read_error(&answer.json()?)
    }

    /// Checks that the last bytes of a stream are the dialect's error; returns its text.
    ///
    /// # Errors
    ///
    /// They are not, or something else precedes or follows.
    pub fn check_stream_error(self, tail: &[u8]) -> Result<String> {
        let text = std::str::from_utf8(tail).context("read a stream's tail")?;
        let (begin, end) = match self {
            Self::Chat => ("data: ", "\n\ndata: [DONE]\n\n"),
            Self::Responses => ("event: response.failed\ndata: ", "\n\n"),
            Self::Messages => ("event: error\ndata: ", "\n\n"),
        };
        let data = text
            .strip_prefix(begin)
            .and_then(|rest| rest.strip_suffix(end));
        let Some(data) = data else {
            bail!("no error of {self:?}: {text:?}")
        };
        let event: Value = serde_json::from_str(data).with_context(|| format!("in {text:?}"))?;
        if self != Self::Responses {
            return self.read_error(&event);
        }
        let message = event
            .pointer("/response/error/message")
            .and_then(Value::as_str);
        ensure!(
            event.get("type") == Some(&json!("response.failed")),
            "{event}"
        );
        ensure!(
            event.get("sequence_number").is_some_and(Value::is_u64),
            "{event}"
        );
        Ok(message
            .with_context(|| format!("no message in {event}"))?
            .to_owned())
    }
}
