//! `invite create`: makes a code here, and an Invite that knows only its hash.

use std::fmt;

use anyray_crds::{
    access,
    v1alpha1::{AnyrayGateway, Invite, invite::DEFAULT_TTL_HOURS},
};
use anyray_wire::anyray::credential::{CredentialDigest, SECRET_BYTES, write_invite_code};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    address,
    manifest::{self, End, Place, SUFFIX_LENGTH},
};
use crate::{cli::InviteCreate, failure::Failure, output, screen::Screen, session::Session};

/// The random bytes of one invite.
pub struct Random {
    /// Of its code.
    pub code: [u8; SECRET_BYTES],
    /// Of its name.
    pub name: [u8; SUFFIX_LENGTH],
}

impl Random {
    /// Random bytes from the system.
    ///
    /// # Errors
    /// [`Failure::Draw`].
    pub fn draw() -> Result<Self, Failure> {
        let mut random = Self {
            code: [0; SECRET_BYTES],
            name: [0; SUFFIX_LENGTH],
        };
        getrandom::fill(&mut random.code).map_err(Failure::Draw)?;
        getrandom::fill(&mut random.name).map_err(Failure::Draw)?;
        Ok(random)
    }
}

/// Nothing of the bytes.
impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Random").finish_non_exhaustive()
    }
}

/// Creates an invite and prints the command to send. Without the Invite there is no code on the
/// screen.
///
/// # Errors
/// [`Failure`].
pub async fn create(
    session: &Session,
    options: &InviteCreate,
    (random, now): (&Random, Timestamp),
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let end = end(options, now)?;
    let gateway = find_gateway(session, options).await?;
    let code = SecretString::from(write_invite_code(&random.code));
    let digest = CredentialDigest::of(code.expose_secret());
    let named = options.name.clone();
    let name = named.unwrap_or_else(|| manifest::name(&options.user, random.name));
    let place = Place {
        namespace: session.namespace(),
        name: &name,
        gateway: &gateway.name,
    };
    let invite = manifest::build(place, options, &digest, end);
    let command = address::command(&gateway.address, code.expose_secret());
    gateway.warn(screen);
    if options.dry_run {
        screen.print(&yaml(&invite)?)?;
        screen.note("Once that is applied, send this command to its user; it is shown only once:");
        screen.note(&command);
        return Ok(());
    }
    let created = session.create(&invite).await?;
    let end = access::code_expiry(&created)
        .map_or_else(String::new, |end| format!(", until {}", output::time(end)));
    screen.note(&format!(
        "Created Invite {}/{name} of AnyrayGateway {}. Send this command to its user; it works once{end}, and is shown only now:",
        session.namespace(),
        gateway.name,
    ));
    screen.print(&command)
}

/// When the code ends. In Git the time is absolute, so that an object that is created again gets no
/// new life.
fn end(options: &InviteCreate, now: Timestamp) -> Result<End, Failure> {
    if let Some(at) = options.expires_at {
        if at <= now {
            let text = "--expires-at is in the past: name a time to come, or a life by --ttl";
            return Err(Failure::Usage(text.to_owned()));
        }
        return Ok(End::At(whole_seconds(at)));
    }
    if !options.dry_run {
        return Ok(End::After(options.ttl));
    }
    let life = options.ttl.map_or(
        SignedDuration::from_hours(i64::from(DEFAULT_TTL_HOURS)),
        |ttl| SignedDuration::try_from(std::time::Duration::from(ttl)).unwrap_or_default(),
    );
    Ok(End::At(whole_seconds(now + life)))
}

fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// A gateway as its users see it.
#[derive(Debug, PartialEq, Eq)]
struct Gateway {
    name: String,
    address: String,
    is_inside_only: bool,
}

impl Gateway {
    /// Says what the user of the address may run into.
    fn warn(&self, screen: &mut Screen<'_>) {
        let address = &self.address;
        if self.is_inside_only {
            screen.note(&format!("Note: {address} can be reached only inside the cluster; name the address for others by --url."));
        } else if address::is_readable_on_the_way(address) {
            screen.note(&format!("Note: {address} is plain http: code and key can be read on the way; name an https address by --url."));
        }
    }
}

async fn find_gateway(session: &Session, options: &InviteCreate) -> Result<Gateway, Failure> {
    let found = match (&options.gateway, &options.url) {
        // Nothing to ask: creating needs no right to read gateways.
        (Some(name), Some(url)) => {
            return Ok(Gateway {
                name: name.clone(),
                address: url.clone(),
                is_inside_only: false,
            });
        }
        (Some(name), None) => session.get::<AnyrayGateway>(name).await?,
        (None, _) => only(session.list(&[]).await?, session.namespace())?,
    };
    reach(&found, options.url.as_deref())
}

/// The one gateway of a namespace.
fn only(mut found: Vec<AnyrayGateway>, namespace: &str) -> Result<AnyrayGateway, Failure> {
    let text = match (found.pop(), found.as_slice()) {
        (Some(one), []) => return Ok(one),
        (None, _) => format!(
            "namespace {namespace} has no AnyrayGateway: create one, or name its namespace by -n"
        ),
        (Some(last), others) => {
            let names = others.iter().chain([&last]).map(|it| it.name_any());
            let names: Vec<_> = names.collect();
            format!(
                "namespace {namespace} has several AnyrayGateways: name one of {} by --gateway",
                names.join(", ")
            )
        }
    };
    Err(Failure::ChooseGateway(text))
}

/// How users reach a gateway: by what was named, else by what its status has.
fn reach(gateway: &AnyrayGateway, url: Option<&str>) -> Result<Gateway, Failure> {
    let name = gateway.name_any();
    let status = gateway.status.as_ref();
    let outside = url.or_else(|| status.and_then(|status| status.external_address.as_deref()));
    let inside = status.and_then(|status| status.address.as_deref());
    let Some(address) = outside.or(inside) else {
        return Err(Failure::ChooseGateway(format!(
            "AnyrayGateway {name} has no address yet: wait until it is Ready, or name the address by --url"
        )));
    };
    match address::check(address) {
        Some(address) => Ok(Gateway {
            name,
            address,
            is_inside_only: outside.is_none(),
        }),
        None => Err(Failure::Address(name)),
    }
}

fn yaml(invite: &Invite) -> Result<String, Failure> {
    let brief = manifest::brief(invite).map_err(|error| Failure::Encode(error.into()))?;
    serde_saphyr::to_string(&brief).map_err(|error| Failure::Encode(error.into()))
}
