//! How a model name spells a scenario, read and written.

use std::{fmt, str::FromStr};

use thiserror::Error;

use super::{MARKER, MAX_BYTES, MAX_EVENTS, MAX_PAUSE_MS, Scenario, StreamFault};

/// What stands before the kind of an exception.
const EXCEPTION: &str = "exception-";

/// A model name asks for a scenario that there is not.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ParseScenarioError {
    /// No scenario has this name with this many numbers.
    #[error("no scenario is called {name:?} with {numbers} number(s)")]
    FindName {
        /// The words before the numbers.
        name: String,
        /// How many numbers stand behind them.
        numbers: usize,
    },
    /// A number is outside what the scenario takes.
    #[error("{number} is not between {least} and {most}")]
    CheckNumber {
        /// The number given.
        number: u64,
        /// The smallest that is taken.
        least: u64,
        /// The largest that is taken.
        most: u64,
    },
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MARKER)?;
        match self {
            Self::Answer => f.write_str("answer"),
            Self::Status(status) => write!(f, "status-{status}"),
            Self::FailThen { status, times } => write!(f, "fail-{times}-{status}"),
            Self::Hang => f.write_str("hang"),
            Self::HangStream { after } => write!(f, "hang-stream-{after}"),
            Self::Cut { after } => write!(f, "cut-{after}"),
            Self::CutMidFrame { after } => write!(f, "cut-mid-{after}"),
            Self::CutBody => f.write_str("cut-body"),
            Self::EndEarly { after } => write!(f, "end-early-{after}"),
            Self::ErrorEvent { after } => write!(f, "error-event-{after}"),
            Self::MalformedFrame => f.write_str("malformed"),
            Self::Silent { ms } => write!(f, "silent-{ms}"),
            Self::SilentMidFrame { ms } => write!(f, "silent-mid-{ms}"),
            Self::Drip { ms } => write!(f, "drip-{ms}"),
            Self::Tools => f.write_str("tools"),
            Self::OneWrite => f.write_str("one-write"),
            Self::SplitBytes => f.write_str("split-bytes"),
            Self::LongText { bytes } => write!(f, "long-text-{bytes}"),
            Self::Events { n } => write!(f, "events-{n}"),
            Self::Html => f.write_str("html"),
            Self::WrongLength => f.write_str("wrong-length"),
            Self::EndlessLine => f.write_str("endless-line"),
            Self::HugeFrame { bytes } => write!(f, "huge-frame-{bytes}"),
            Self::SetCookie => f.write_str("set-cookie"),
            Self::NoUsage => f.write_str("no-usage"),
            Self::NoDone => f.write_str("no-done"),
            Self::Incomplete => f.write_str("incomplete"),
            Self::Failed => f.write_str("failed"),
            Self::Exception { fault, after } => write!(f, "{EXCEPTION}{}-{after}", fault.name()),
            Self::ContentFilter => f.write_str("content-filter"),
        }
    }
}

impl FromStr for Scenario {
    type Err = ParseScenarioError;

    fn from_str(model: &str) -> Result<Self, Self::Err> {
        let Some((_, spelt)) = model.split_once(MARKER) else {
            return Ok(Self::Answer);
        };
        let (name, numbers) = split_numbers(spelt);
        Ok(match (name, numbers.as_slice()) {
            ("answer", []) => Self::Answer,
            ("status", [status]) => Self::Status(check_status(*status)?),
            ("fail", [times, status]) => Self::FailThen {
                status: check_status(*status)?,
                times: check_number(*times, 1, MAX_EVENTS as u64)?,
            },
            ("hang", []) => Self::Hang,
            ("hang-stream", [after]) => Self::HangStream {
                after: check_after(*after)?,
            },
            ("cut", [after]) => Self::Cut {
                after: check_after(*after)?,
            },
            ("cut-mid", [after]) => Self::CutMidFrame {
                after: check_after(*after)?,
            },
            ("cut-body", []) => Self::CutBody,
            ("end-early", [after]) => Self::EndEarly {
                after: check_after(*after)?,
            },
            ("error-event", [after]) => Self::ErrorEvent {
                after: check_after(*after)?,
            },
            ("malformed", []) => Self::MalformedFrame,
            ("silent", [ms]) => Self::Silent {
                ms: check_number(*ms, 1, MAX_PAUSE_MS)?,
            },
            ("silent-mid", [ms]) => Self::SilentMidFrame {
                ms: check_number(*ms, 1, MAX_PAUSE_MS)?,
            },
            ("drip", [ms]) => Self::Drip {
                ms: check_number(*ms, 1, MAX_PAUSE_MS)?,
            },
            ("tools", []) => Self::Tools,
            ("one-write", []) => Self::OneWrite,
            ("split-bytes", []) => Self::SplitBytes,
            ("long-text", [bytes]) => Self::LongText {
                bytes: check_bytes(*bytes)?,
            },
            ("events", [n]) => Self::Events {
                n: check_number(*n, 1, MAX_EVENTS as u64)?,
            },
            ("html", []) => Self::Html,
            ("wrong-length", []) => Self::WrongLength,
            ("endless-line", []) => Self::EndlessLine,
            ("huge-frame", [bytes]) => Self::HugeFrame {
                bytes: check_bytes(*bytes)?,
            },
            ("set-cookie", []) => Self::SetCookie,
            ("no-usage", []) => Self::NoUsage,
            ("no-done", []) => Self::NoDone,
            ("incomplete", []) => Self::Incomplete,
            ("failed", []) => Self::Failed,
            (name, [after]) if let Some(fault) = find_fault(name) => Self::Exception {
                fault,
                after: check_after(*after)?,
            },
            ("content-filter", []) => Self::ContentFilter,
            (name, numbers) => {
                return Err(ParseScenarioError::FindName {
                    name: name.to_owned(),
                    numbers: numbers.len(),
                });
            }
        })
    }
}

/// `exception-throttling` is its kind.
fn find_fault(name: &str) -> Option<StreamFault> {
    let name = name.strip_prefix(EXCEPTION)?;
    StreamFault::ALL
        .into_iter()
        .find(|fault| fault.name() == name)
}

/// `fail-2-500` is `fail` and 2, 500.
fn split_numbers(spelt: &str) -> (&str, Vec<u64>) {
    let mut name = spelt;
    let mut numbers = Vec::new();
    while let Some((rest, number)) = name.rsplit_once('-') {
        let Ok(number) = number.parse() else { break };
        numbers.insert(0, number);
        name = rest;
    }
    (name, numbers)
}

fn check_status(status: u64) -> Result<u16, ParseScenarioError> {
    check_number(status, 300, 599)
}

fn check_after(after: u64) -> Result<usize, ParseScenarioError> {
    check_number(after, 0, MAX_EVENTS as u64)
}

fn check_bytes(bytes: u64) -> Result<usize, ParseScenarioError> {
    check_number(bytes, 1, MAX_BYTES as u64)
}

fn check_number<N: TryFrom<u64>>(
    number: u64,
    least: u64,
    most: u64,
) -> Result<N, ParseScenarioError> {
    let error = ParseScenarioError::CheckNumber {
        number,
        least,
        most,
    };
    if !(least..=most).contains(&number) {
        return Err(error);
    }
    N::try_from(number).map_err(|_| error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_reads_back_what_it_prints() {
        for scenario in Scenario::EXAMPLES {
            assert_eq!(
                scenario.to_string().parse(),
                Ok(scenario.clone()),
                "{scenario}"
            );
        }
    }

    #[test]
    fn every_exception_reads_back_what_it_prints() {
        for fault in StreamFault::ALL {
            let scenario = Scenario::Exception { fault, after: 0 };
            assert_eq!(scenario.to_string().parse(), Ok(scenario));
        }
    }

    #[test]
    fn a_model_name_without_the_marker_is_answered() {
        for model in ["gpt-5.6", "claude-opus-4-7", "", "cut-3"] {
            assert_eq!(model.parse(), Ok(Scenario::Answer), "{model}");
        }
    }

    #[test]
    fn what_stands_before_the_marker_is_free() {
        assert_eq!("gpt-fake-cut-3".parse(), Ok(Scenario::Cut { after: 3 }));
        assert_eq!(
            "claude-fake-cut-mid-0".parse(),
            Ok(Scenario::CutMidFrame { after: 0 })
        );
        assert_eq!(
            "fake-fail-2-500".parse(),
            Ok(Scenario::FailThen {
                status: 500,
                times: 2
            })
        );
    }

    #[test]
    fn unknown_names_and_numbers_out_of_range_are_errors() {
        for model in [
            "fake-",
            "fake-nonsense",
            "fake-cut",
            "fake-status-200",
            "fake-status-600",
            "fake-fail-500",
            "fake-events-0",
            "fake-huge-frame-67108865",
            "fake-hang-3",
            "fake-exception-2",
            "fake-exception-unheard-of-2",
        ] {
            assert!(model.parse::<Scenario>().is_err(), "{model}");
        }
    }
}
