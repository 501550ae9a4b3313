//! Credentials that are exchanged for a token: a service account of Google, a client of Microsoft
//! Entra.
//!
//! A token is kept until shortly before its end. The next one is asked for by a task of its own, one
//! at a time, while requests go on with the old; where there is none, all wait for that task. What
//! it says to the token service is in `exchange`.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use crate::{
    config::{Snapshot, credential::TokenGrant, snapshot::ProviderKey, transport::Transport},
    error::GatewayError,
};

pub mod exchange;

use exchange::{EXCHANGE_TIME, Fault, exchange};

/// How long before its end a token is replaced.
const REFRESH_BEFORE: Duration = Duration::from_secs(300);

/// How long before its end a token is not used any more: it must outlive its way.
const EXPIRY_MARGIN: Duration = Duration::from_secs(10);

/// How long the failure of an exchange stands for the next ones, so that not each request asks a
/// service that is down.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// How long after an exchange a provider's refusal does not lead to the next one: a new token would
/// be refused, too.
const MIN_REFRESH_PAUSE: Duration = Duration::from_secs(30);

/// The tokens of the process, by the credential that each was exchanged for.
///
/// A reload that does not change a credential costs no exchange, and keys with the same credential
/// share its token.
#[derive(Debug, Default)]
pub struct TokenSources {
    known: RwLock<Vec<Arc<TokenSource>>>,
}

impl TokenSources {
    /// Value of the header `authorization`: the token that is kept, or else a new one, for which
    /// nobody waits longer than one exchange may take, 10 s.
    ///
    /// # Errors
    /// [`GatewayError::CredentialRefused`], [`GatewayError::EgressRefused`] or
    /// [`GatewayError::TokenUnavailable`].
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing for others: an exchange that it began goes on.
    pub async fn get(
        &self,
        grant: &Arc<TokenGrant>,
        key: &ProviderKey,
        now: SystemTime,
    ) -> Result<HeaderValue, GatewayError> {
        self.source(grant).get(key, now).await
    }

    /// Forgets the token of a credential, which the provider has refused; one that is new would be
    /// refused, too.
    pub fn forget(&self, grant: &Arc<TokenGrant>, now: SystemTime) {
        self.source(grant).forget(now);
    }

    /// Drops the tokens of credentials that a new configuration does not have.
    pub fn retain(&self, config: &Snapshot) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|source| {
            let mut grants = config.token_grants();
            grants.any(|grant| grant.is_same(&source.grant))
        });
    }

    fn source(&self, grant: &Arc<TokenGrant>) -> Arc<TokenSource> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = find(&known, grant) {
            return source;
        }
        drop(known);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        find(&known, grant).unwrap_or_else(|| {
            let source = Arc::new(TokenSource::new(Arc::clone(grant)));
            known.push(Arc::clone(&source));
            source
        })
    }
}

fn find(known: &[Arc<TokenSource>], grant: &TokenGrant) -> Option<Arc<TokenSource>> {
    let mut known = known.iter();
    known
        .find(|source| source.grant.is_same(grant))
        .map(Arc::clone)
}

/// A credential with the token that it was exchanged for last.
struct TokenSource {
    grant: Arc<TokenGrant>,
    current: ArcSwapOption<Token>,
    /// The exchange that runs, or the last one.
    renewal: Mutex<Renewal>,
}

/// One token.
struct Token {
    header: HeaderValue,
    from: SystemTime,
    until: SystemTime,
}

/// An exchange, for as long as its task holds the other end, and then what became of it; nothing if
/// the task broke off.
type Renewal = watch::Receiver<Option<Result<HeaderValue, Failure>>>;

/// An exchange that failed, and when.
#[derive(Clone, Copy, Debug)]
struct Failure {
    at: Instant,
    fault: Fault,
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TokenSource")
            .field("grant", &self.grant)
            .finish_non_exhaustive()
    }
}

impl TokenSource {
    /// A source without a token yet.
    fn new(grant: Arc<TokenGrant>) -> Self {
        Self {
            grant,
            current: ArcSwapOption::empty(),
            renewal: Mutex::new(watch::channel(None).1),
        }
    }

    /// See [`TokenSources::forget`].
    fn forget(&self, now: SystemTime) {
        let current = self.current.load();
        let is_old = |token: &Token| {
            now.duration_since(token.from)
                .is_ok_and(|age| age >= MIN_REFRESH_PAUSE)
        };
        if current.as_ref().is_some_and(|token| is_old(token)) {
            self.current.store(None);
        }
    }

    /// See [`TokenSources::get`].
    async fn get(
        self: &Arc<Self>,
        key: &ProviderKey,
        now: SystemTime,
    ) -> Result<HeaderValue, GatewayError> {
        if let Some(header) = self.usable(now, REFRESH_BEFORE) {
            return Ok(header);
        }
        let mut renewal = self.renewal(key, now);
        if let Some(old) = self.usable(now, EXPIRY_MARGIN) {
            return Ok(old);
        }
        let outcome = match renewal.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone(),
            Err(_) => None,
        };
        match outcome {
            Some(Ok(header)) => Ok(header),
            Some(Err(failure)) => Err(failure.fault.describe(key)),
            None => Err(Fault::BrokenOff.describe(key)),
        }
    }

    /// The token that is kept, if it is good for so long.
    fn usable(&self, now: SystemTime, for_long: Duration) -> Option<HeaderValue> {
        let current = self.current.load();
        let token = current.as_ref()?;
        // A token that lives for less than that is renewed in the second half of its life.
        let life = token.until.duration_since(token.from).unwrap_or_default();
        let then = now.checked_add(for_long.min(life / 2))?;
        (then < token.until).then(|| token.header.clone())
    }

    /// The exchange that runs, the last one where that will do, or one that begins now.
    fn renewal(self: &Arc<Self>, key: &ProviderKey, now: SystemTime) -> Renewal {
        let mut renewal = self.renewal.lock().unwrap_or_else(PoisonError::into_inner);
        let is_running = renewal.has_changed().is_ok();
        let will_do =
            is_running || has_just_failed(&renewal) || self.usable(now, REFRESH_BEFORE).is_some();
        if !will_do {
            *renewal = self.start_renewal(key, now);
        }
        renewal.clone()
    }

    /// Begins an exchange that no caller's leaving ends; [`EXCHANGE_TIME`] does, or its runtime's
    /// end.
    fn start_renewal(self: &Arc<Self>, key: &ProviderKey, now: SystemTime) -> Renewal {
        let (sender, renewal) = watch::channel(None);
        let source = Arc::clone(self);
        let key_name = key.name.clone();
        let transport = Arc::clone(&key.transport);
        tokio::spawn(async move {
            let renewed = source.renew(&transport, now).await.map_err(|fault| {
                source.log(&key_name, fault);
                let at = Instant::now();
                Failure { at, fault }
            });
            sender.send_replace(Some(renewed));
        });
        renewal
    }

    async fn renew(
        &self,
        transport: &Arc<Transport>,
        now: SystemTime,
    ) -> Result<HeaderValue, Fault> {
        let exchange = exchange(&self.grant, transport, now);
        let exchanged = timeout(EXCHANGE_TIME, exchange).await;
        let issued = exchanged.map_err(|_| Fault::Timeout)??;
        self.current.store(Some(Arc::new(Token {
            header: issued.header.clone(),
            from: now,
            until: now.checked_add(issued.life).unwrap_or(now),
        })));
        Ok(issued.header)
    }

    fn log(&self, key_name: &str, fault: Fault) {
        let host = self
            .grant
            .url
            .authority()
            .map_or("", |authority| authority.as_str());
        tracing::warn!(
            provider.key = key_name,
            token.host = host,
            "could not get a token from {host}: {fault}"
        );
    }
}

/// Whether an exchange is over, and failed just now.
fn has_just_failed(renewal: &Renewal) -> bool {
    match &*renewal.borrow() {
        Some(Err(failure)) => failure.at.elapsed() < FAILURE_PAUSE,
        Some(Ok(_)) | None => false,
    }
}

#[cfg(test)]
mod tests;
