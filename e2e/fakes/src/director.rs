//! Chooses the scenario of each request: the script first, then the model name.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
};

use crate::{
    recorder::lock,
    scenario::{ParseScenarioError, Scenario},
};

/// Most scenarios that wait in the script: more than any test plays.
pub const MAX_SCRIPT: usize = 10_000;

/// Most model names whose failures are counted; beyond, all counts start again.
const MAX_COUNTED: usize = 10_000;

/// What is to be played, and how often a model has failed already.
#[derive(Debug, Default)]
pub(crate) struct Director {
    script: Mutex<VecDeque<Scenario>>,
    failures: Mutex<HashMap<String, u32>>,
}

impl Director {
    /// Adds to the script; what is over [`MAX_SCRIPT`] is left out.
    pub(crate) fn extend(&self, scenarios: impl IntoIterator<Item = Scenario>) {
        let mut script = lock(&self.script);
        let room = MAX_SCRIPT.saturating_sub(script.len());
        script.extend(scenarios.into_iter().take(room));
    }

    /// The scenario of a request for `model`; never [`Scenario::FailThen`], which
    /// becomes a status or an answer here.
    ///
    /// # Errors
    ///
    /// The script is empty and the model name asks for what there is not.
    pub(crate) fn choose(&self, model: &str) -> Result<Scenario, ParseScenarioError> {
        let scripted = lock(&self.script).pop_front();
        let scenario = scripted.map_or_else(|| model.parse(), Ok)?;
        Ok(match scenario {
            Scenario::FailThen { status, times } if self.count_failure(model, times) => {
                Scenario::Status(status)
            }
            Scenario::FailThen { .. } => Scenario::Answer,
            other => other,
        })
    }

    /// Whether the model has failed fewer than `times` times before.
    fn count_failure(&self, model: &str, times: u32) -> bool {
        let mut failures = lock(&self.failures);
        if failures.len() >= MAX_COUNTED && !failures.contains_key(model) {
            failures.clear();
        }
        let count = failures.entry(model.to_owned()).or_default();
        let fails = *count < times;
        *count = count.saturating_add(1);
        fails
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_comes_before_the_model_name() {
        let director = Director::default();
        director.extend([Scenario::Hang]);
        assert_eq!(director.choose("fake-html"), Ok(Scenario::Hang));
        assert_eq!(director.choose("fake-html"), Ok(Scenario::Html));
    }

    #[test]
    fn failures_are_counted_by_model() {
        let director = Director::default();
        let failing = "a-fake-fail-2-500";
        let all: Vec<_> = (0..3).map(|_| director.choose(failing)).collect();
        let status = Ok(Scenario::Status(500));
        assert_eq!(all, [status.clone(), status.clone(), Ok(Scenario::Answer)]);
        assert_eq!(director.choose("b-fake-fail-2-500"), status);
    }
}
