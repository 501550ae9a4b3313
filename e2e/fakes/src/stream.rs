//! Turns the events of an answer and a scenario into the steps of a body.
//!
//! Pure: the steps are played by `body`. The events come from the dialects.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    bedrock::event_stream,
    json::Json,
    scenario::{MAX_BYTES, Scenario},
};

/// Piece of the line that never ends.
const FILLER_BYTES: usize = 64 * 1024;

/// One thing that a body does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Write and flush.
    Send(Bytes),
    /// Write and flush the same piece several times.
    Repeat(Bytes, usize),
    /// Wait.
    Pause(Duration),
    /// Wait until the client leaves.
    Hang,
    /// Drop the connection without ending the body.
    Abort,
}

/// How events are told apart on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// As lines of text.
    Text,
    /// As frames of AWS's event stream.
    EventStream,
}

impl Framing {
    /// The event with its JSON cut off.
    fn break_event(self, frame: &Bytes) -> Bytes {
        match self {
            Self::Text => {
                let kept = frame.len() * 3 / 4;
                [frame.slice(..kept).as_ref(), b"\n\n".as_ref()]
                    .concat()
                    .into()
            }
            Self::EventStream => event_stream::break_payload(frame),
        }
    }

    /// How an event begins that never ends.
    fn begin_endless(self) -> Bytes {
        match self {
            Self::Text => Bytes::from_static(b"data: {\"endless\":\""),
            Self::EventStream => event_stream::begin_endless(),
        }
    }
}

/// The events of one answer, as bytes, in order.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    /// Whole events: of SSE each with its blank line, of AWS's event stream a frame.
    pub(crate) frames: Vec<Bytes>,
    /// Index of the event without which the answer is not complete: the finish
    /// reason of a chat, `message_stop`, `response.completed`.
    pub(crate) terminal: usize,
}

impl Events {
    /// The first `after` frames, the terminal one and its followers never among
    /// them, and the one after them.
    fn split(&self, after: usize) -> (&[Bytes], Option<&Bytes>) {
        let after = after.min(self.terminal).min(self.frames.len());
        let (sent, rest) = self.frames.split_at_checked(after).unwrap_or_default();
        (sent, rest.first())
    }

    /// All bytes in one piece.
    pub(crate) fn join(&self) -> Bytes {
        self.frames.concat().into()
    }
}

/// An event with its `event:` line, as Anthropic and the Responses API write it.
pub(crate) fn named_frame(name: &str, data: &Json) -> Bytes {
    format!("event: {name}\ndata: {}\n\n", data.to_text()).into()
}

/// An event without a name, as chat and completions write it.
pub(crate) fn data_frame(data: &Json) -> Bytes {
    format!("data: {}\n\n", data.to_text()).into()
}

/// What an event says, without its name.
pub(crate) fn find_data(frame: &[u8]) -> Option<&str> {
    let mut lines = std::str::from_utf8(frame).ok()?.lines();
    lines.find_map(|line| line.strip_prefix("data: "))
}

/// The steps of a stream; `error_frame` builds the dialect's error event, given
/// its place in the stream.
pub(crate) fn plan_stream(
    events: &Events,
    framing: Framing,
    scenario: &Scenario,
    error_frame: impl FnOnce(usize) -> Bytes,
) -> Vec<Step> {
    let all = events.frames.as_slice();
    match scenario {
        Scenario::HangStream { after } => steps(events.split(*after).0, [Step::Hang]),
        Scenario::Cut { after } => steps(events.split(*after).0, [Step::Abort]),
        Scenario::CutMidFrame { after } => {
            let (sent, next) = events.split(*after);
            let half = next.map(|frame| Step::Send(first_half(frame)));
            steps(sent, half.into_iter().chain([Step::Abort]))
        }
        Scenario::EndEarly { after } => steps(events.split(*after).0, []),
        Scenario::ErrorEvent { after } | Scenario::Exception { after, .. } => {
            let (sent, _) = events.split(*after);
            steps(sent, [Step::Send(error_frame(sent.len()))])
        }
        Scenario::Failed => {
            let (sent, _) = events.split(usize::MAX);
            steps(sent, [Step::Send(error_frame(sent.len()))])
        }
        Scenario::MalformedFrame => break_middle(events, framing),
        Scenario::Silent { ms } => {
            let (sent, _) = events.split(usize::MAX);
            let rest = all.iter().skip(sent.len()).cloned().map(Step::Send);
            steps(sent, [pause(*ms)].into_iter().chain(rest))
        }
        Scenario::Drip { ms } => all
            .iter()
            .flat_map(|frame| [pause(*ms), Step::Send(frame.clone())])
            .collect(),
        Scenario::SilentMidFrame { ms } => pause_in_middle(events, *ms),
        Scenario::OneWrite => vec![Step::Send(events.join())],
        Scenario::SplitBytes => split_bytes(&events.join()),
        Scenario::EndlessLine => {
            let start = Step::Send(framing.begin_endless());
            let (sent, _) = events.split(1);
            steps(sent, [start, endless_filler(), Step::Abort])
        }
        Scenario::NoDone => steps(all.split_last().map_or(all, |(_, rest)| rest), []),
        _ => steps(all, []),
    }
}

/// The steps of an answer in one piece.
pub(crate) fn plan_body(body: &Bytes, scenario: &Scenario) -> Vec<Step> {
    match scenario {
        Scenario::CutBody => vec![Step::Send(first_half(body)), Step::Abort],
        Scenario::WrongLength => vec![Step::Send(body.clone()), Step::Abort],
        Scenario::SplitBytes => split_bytes(body),
        Scenario::EndlessLine => {
            let start = Step::Send(Bytes::from_static(b"{\"endless\":\""));
            vec![start, endless_filler(), Step::Abort]
        }
        _ => vec![Step::Send(body.clone())],
    }
}

fn steps(frames: &[Bytes], more: impl IntoIterator<Item = Step>) -> Vec<Step> {
    frames.iter().cloned().map(Step::Send).chain(more).collect()
}

fn pause(ms: u64) -> Step {
    Step::Pause(Duration::from_millis(ms))
}

fn endless_filler() -> Step {
    Step::Repeat(vec![b'x'; FILLER_BYTES].into(), MAX_BYTES / FILLER_BYTES)
}

fn split_bytes(body: &Bytes) -> Vec<Step> {
    (0..body.len())
        .map(|at| Step::Send(body.slice(at..=at)))
        .collect()
}

fn first_half(bytes: &Bytes) -> Bytes {
    bytes.slice(..bytes.len() / 2)
}

/// All events, with a pause between the halves of the middle one.
fn pause_in_middle(events: &Events, ms: u64) -> Vec<Step> {
    let (sent, next) = events.split(events.terminal / 2);
    let halves = next.map(|frame| {
        let half = first_half(frame);
        let rest = frame.slice(half.len()..);
        [Step::Send(half), pause(ms), Step::Send(rest)]
    });
    let rest = events.frames.iter().skip(sent.len() + 1).cloned();
    steps(
        sent,
        halves.into_iter().flatten().chain(rest.map(Step::Send)),
    )
}

/// All events, a copy of the middle one with its JSON cut off before it.
fn break_middle(events: &Events, framing: Framing) -> Vec<Step> {
    let (sent, next) = events.split(events.terminal / 2);
    let broken = next.map(|frame| framing.break_event(frame));
    let rest = events.frames.iter().skip(sent.len()).cloned();
    steps(sent, broken.into_iter().chain(rest).map(Step::Send))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events() -> Events {
        let frames = [
            "data: {\"a\":1}\n\n",
            "data: {\"b\":2}\n\n",
            "data: {\"c\":3}\n\n",
            "data: [DONE]\n\n",
        ];
        Events {
            frames: frames.into_iter().map(Bytes::from).collect(),
            terminal: 2,
        }
    }

    fn plan(model: &str) -> Vec<Step> {
        let scenario = model.parse().expect("a scenario");
        plan_stream(&events(), Framing::Text, &scenario, |at| {
            format!("error {at}").into()
        })
    }

    fn sent(steps: &[Step]) -> Vec<String> {
        let sent = steps.iter().filter_map(|step| match step {
            Step::Send(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        });
        sent.collect()
    }

    #[test]
    fn an_answer_sends_each_event_alone() {
        assert_eq!(sent(&plan("fake-answer")).len(), 4);
    }

    #[test]
    fn a_cut_sends_the_events_before_it_and_aborts() {
        let steps = plan("fake-cut-1");
        assert_eq!(sent(&steps), ["data: {\"a\":1}\n\n"]);
        assert_eq!(steps.last(), Some(&Step::Abort));
    }

    #[test]
    fn no_cut_reaches_the_terminal_event() {
        for model in ["fake-cut-99", "fake-end-early-99", "fake-hang-stream-99"] {
            assert_eq!(sent(&plan(model)).len(), 2, "{model}");
        }
    }

    #[test]
    fn a_cut_in_a_frame_sends_half_of_it() {
        assert_eq!(
            sent(&plan("fake-cut-mid-1")),
            ["data: {\"a\":1}\n\n", "data: {"]
        );
    }

    #[test]
    fn the_error_event_knows_its_place() {
        assert_eq!(
            sent(&plan("fake-error-event-1")).last().map(String::as_str),
            Some("error 1")
        );
        assert_eq!(
            sent(&plan("fake-failed")).last().map(String::as_str),
            Some("error 2")
        );
    }

    #[test]
    fn a_malformed_frame_stands_among_all_good_ones() {
        let sent = sent(&plan("fake-malformed"));
        assert_eq!(sent.len(), 5);
        assert_eq!(sent[1], "data: {\"b\":\n\n");
        assert_eq!(sent.last().map(String::as_str), Some("data: [DONE]\n\n"));
    }

    #[test]
    fn silence_stands_before_the_terminal_event() {
        assert_eq!(plan("fake-silent-7").get(2), Some(&pause(7)));
    }

    #[test]
    fn however_the_bytes_are_split_none_is_lost() {
        for model in [
            "fake-split-bytes",
            "fake-one-write",
            "fake-silent-mid-7",
            "fake-drip-7",
        ] {
            let sent = sent(&plan(model)).concat();
            assert_eq!(sent.as_bytes(), events().join(), "{model}");
        }
    }

    #[test]
    fn a_silent_frame_is_halved_around_the_pause() {
        let steps = plan("fake-silent-mid-7");
        let halves = [
            Step::Send("data: {".into()),
            pause(7),
            Step::Send("\"b\":2}\n\n".into()),
        ];
        assert_eq!(steps.get(1..4), Some(halves.as_slice()));
    }

    #[test]
    fn without_done_only_the_last_event_is_missing() {
        assert_eq!(sent(&plan("fake-no-done")).len(), 3);
    }
}
