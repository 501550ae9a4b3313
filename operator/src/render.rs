//! `render`: the files that a gateway reads, from manifests in a folder, without a cluster.
//!
//! The same validate and build steps as in a cluster, after the checks of the API server. It
//! serves a laptop, and review in Git.

mod manifests;
mod output;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    thread,
    time::Duration,
};

use anyray_crds::v1alpha1::{AnyrayGateway, ProviderKey};
use kube::ResourceExt as _;

use crate::{
    cli::RenderOptions,
    error_text::with_causes,
    fault::Fault,
    gateway::{
        admin,
        build::{self, Defaults, Resources},
        custom_hosts,
        validate::{self, References, ValidatedGateway, selects},
    },
    provider_key::material::{Material, SecretEntries},
};
use manifests::{Fingerprint, Manifests};

/// Time between two looks at the manifests.
const POLL: Duration = Duration::from_millis(500);

/// Why nothing could be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A folder or file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not YAML.
    #[error("{}: {message}", path.display())]
    Parse {
        /// Which one.
        path: PathBuf,
        /// Where and why.
        message: String,
    },
    /// An object would be refused by the API server.
    #[error("{}: {kind} {name}:\n{message}", path.display())]
    Admit {
        /// In which file.
        path: PathBuf,
        /// Of which kind.
        kind: String,
        /// Its name.
        name: String,
        /// Which fields, and why.
        message: String,
    },
    /// There is no gateway, or several.
    #[error("{0}")]
    ChooseGateway(String),
    /// `--endpoint` names no key.
    #[error("--endpoint {0}: the folder has no such ProviderKey")]
    ChooseEndpoint(String),
    /// The gateway is not acceptable.
    #[error("AnyrayGateway {gateway}: {}: {}", fault.reason.as_str(), fault.message)]
    Validate {
        /// Its name.
        gateway: String,
        /// Why.
        fault: Fault,
    },
    /// The output folder is somebody else's, or cannot be written.
    #[error("cannot write to {}", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Renders, with `--watch` again and again.
///
/// # Errors
/// [`RenderError`] of the first time. Later ones are told, and the last good files stay.
pub fn run(options: &RenderOptions) -> Result<(), RenderError> {
    // Taken before the manifests are read: a change meanwhile is one that is still to come.
    let seen = manifests::fingerprint(&options.manifests);
    render(options)?;
    if options.watch {
        watch(options, seen);
    }
    Ok(())
}

/// Renders after each change, until a signal ends the process.
fn watch(options: &RenderOptions, mut seen: Fingerprint) {
    loop {
        #[expect(
            clippy::disallowed_methods,
            reason = "polls for ever; there is no condition to wait for"
        )]
        thread::sleep(POLL);
        let now = manifests::fingerprint(&options.manifests);
        if now == seen {
            continue;
        }
        seen = now;
        if let Err(error) = render(options) {
            tell(&format!(
                "the last good files stay: {}",
                with_causes(&error)
            ));
        }
    }
}

/// Prints the definitions of the custom resources.
///
/// # Errors
/// What the system says of standard output.
pub fn crds() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for crd in anyray_crds::schema::all() {
        let yaml = serde_saphyr::to_string(&crd).map_err(io::Error::other)?;
        writeln!(out, "---\n{yaml}")?;
    }
    Ok(())
}

/// Builds the objects that a cluster would get for the manifests of a folder.
///
/// # Errors
/// [`RenderError`].
pub fn objects(options: &RenderOptions, defaults: &Defaults) -> Result<Resources, RenderError> {
    let manifests = read(options)?;
    let gateway = choose(&manifests.gateways, options.gateway.as_deref())?;
    let references = dereference(gateway, &manifests);
    Ok(build::build(&validate(gateway, &references)?, defaults))
}

fn render(options: &RenderOptions) -> Result<(), RenderError> {
    let manifests = read(options)?;
    let gateway = choose(&manifests.gateways, options.gateway.as_deref())?;
    let references = dereference(gateway, &manifests);
    let validated = validate(gateway, &references)?;
    output::write(&options.out, &validated.files)?;
    for fault in &validated.unresolved {
        tell(&format!("{}: {}", fault.reason.as_str(), fault.message));
    }
    if admin::is_minted(gateway) {
        tell(
            "/admin will not be served: without a cluster there is no token unless spec.admin.tokenSecretRef names a Secret of the folder; spec.admin.enabled: false says that this is meant",
        );
    }
    tell(&format!(
        "rendered AnyrayGateway {} to {}: {} ProviderKeys, configuration {}",
        gateway.name_any(),
        options.out.display(),
        validated.usable.len(),
        validated.files.hash.get(..12).unwrap_or_default(),
    ));
    Ok(())
}

fn read(options: &RenderOptions) -> Result<Manifests, RenderError> {
    let mut manifests = manifests::read(&options.manifests)?;
    replace_endpoints(&mut manifests.provider_keys, &options.endpoint)?;
    Ok(manifests)
}

fn validate<'a>(
    gateway: &'a AnyrayGateway,
    references: &References,
) -> Result<ValidatedGateway<'a>, RenderError> {
    validate::validate(gateway, references).map_err(|fault| RenderError::Validate {
        gateway: gateway.name_any(),
        fault,
    })
}

fn choose<'a>(
    gateways: &'a [AnyrayGateway],
    wanted: Option<&str>,
) -> Result<&'a AnyrayGateway, RenderError> {
    let names: Vec<_> = gateways.iter().map(kube::ResourceExt::name_any).collect();
    let refuse = |message: String| Err(RenderError::ChooseGateway(message));
    match (gateways, wanted) {
        ([], _) => refuse("the folder has no AnyrayGateway".to_owned()),
        ([only], None) => Ok(only),
        (_, None) => refuse(format!(
            "the folder has several gateways, choose one by --gateway: {}",
            names.join(", ")
        )),
        (_, Some(wanted)) => match gateways.iter().find(|gateway| gateway.name_any() == wanted) {
            Some(gateway) => Ok(gateway),
            None => refuse(format!(
                "--gateway {wanted}: the folder has only {}",
                names.join(", ")
            )),
        },
    }
}

fn replace_endpoints(
    keys: &mut [ProviderKey],
    endpoints: &[(String, String)],
) -> Result<(), RenderError> {
    for (name, url) in endpoints {
        let key = keys.iter_mut().find(|key| key.name_any() == *name);
        let key = key.ok_or_else(|| RenderError::ChooseEndpoint(name.clone()))?;
        let endpoint = key.spec.endpoint.get_or_insert_default();
        endpoint.url = Some(url.clone());
        endpoint.allow_insecure = url.starts_with("http://");
        endpoint.ca_bundle_ref = None;
    }
    Ok(())
}

/// What the gateway names, as far as the folder has it. Namespaces do not count here.
fn dereference(gateway: &AnyrayGateway, manifests: &Manifests) -> References {
    let selected = manifests
        .provider_keys
        .iter()
        .filter(|key| selects(gateway, key));
    let keys = selected.map(|key| {
        let secret = key.spec.auth.secret_name();
        let secret = manifests
            .secrets
            .iter()
            .find(|found| Some(found.name_any().as_str()) == secret);
        let bundle = key.spec.endpoint.as_ref();
        let bundle = bundle.and_then(|endpoint| endpoint.ca_bundle_ref.as_ref());
        let bundle = bundle.and_then(|reference| {
            let found = manifests.config_maps.iter();
            found
                .clone()
                .find(|found| found.name_any() == reference.name)
        });
        let material = Material {
            secret: secret.cloned().map(SecretEntries::from_secret),
            ca_bundle: bundle.map(|found| found.data.clone().unwrap_or_default()),
        };
        (key.clone(), material)
    });
    References {
        keys: keys.collect(),
        admin: admin_secret(gateway, manifests),
        bundles: bundles(gateway, manifests),
        ..References::default()
    }
}

/// The Secret that the spec names. One that the operator would make is not looked for: a token in
/// the folder is one that somebody has put there, and then the spec says so.
fn admin_secret(gateway: &AnyrayGateway, manifests: &Manifests) -> Option<SecretEntries> {
    let reference = gateway.spec.admin.token_secret_ref.as_ref()?;
    let mut secrets = manifests.secrets.iter();
    let found = secrets.find(|found| found.name_any() == reference.name);
    found.cloned().map(SecretEntries::from_secret)
}

fn bundles(gateway: &AnyrayGateway, manifests: &Manifests) -> custom_hosts::Bundles {
    let names = custom_hosts::bundle_names(&gateway.spec.egress);
    let found = manifests.config_maps.iter();
    let named = found.filter(|found| names.contains(found.name_any().as_str()));
    let bundles = named.map(|found| (found.name_any(), found.data.clone().unwrap_or_default()));
    bundles.collect()
}

/// Tells a person something on standard error, if anyone reads it.
fn tell(message: &str) {
    let _ = writeln!(io::stderr(), "anyray-operator: {message}");
}
