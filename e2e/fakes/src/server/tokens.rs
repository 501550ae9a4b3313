//! The credentials that the cloud providers of a fake take, and the token servers for them.

use std::time::Duration;

use crate::{
    FakeProvider, Recorded, Scenario,
    oauth::{entra, google},
};

impl FakeProvider {
    /// The service account's JSON, as Google hands it out; its `token_uri` leads here.
    pub fn google_service_account(&self) -> String {
        google::build_service_account(&self.url())
    }

    /// The credential of the type `entraClient`; its `authority` is this fake.
    pub fn entra_client(&self) -> String {
        entra::build_client(&self.url())
    }

    /// Adds scenarios for the next requests to the token servers to take in order, as
    /// [`Self::script`] does for the others: a status in the servers' own shape, or
    /// anything that an answer in one piece can suffer.
    pub fn script_tokens(&self, scenarios: impl IntoIterator<Item = Scenario>) {
        self.state.tokens.director.extend(scenarios);
    }

    /// How many tokens the servers issued so far, refused requests left out.
    pub fn tokens_issued(&self) -> u64 {
        self.state.tokens.count_issued()
    }

    /// How long the tokens live that are issued from now on, in whole seconds, and what
    /// is said of it; 3599 seconds before the first call.
    pub fn set_token_life(&self, life: Duration) {
        self.state.tokens.set_life(life);
    }

    /// Makes all tokens issued so far worthless, whatever was said of their life.
    pub fn revoke_tokens(&self) {
        self.state.tokens.revoke_all();
    }

    /// All requests to the token servers so far, in order of their arrival.
    pub fn token_requests(&self) -> Vec<Recorded> {
        self.state.tokens.recorder.requests()
    }
}
