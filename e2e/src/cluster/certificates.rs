//! The authority of a cluster, a certificate for each of its members, and their kubeconfigs.

use std::{fs, net::SocketAddr, path::Path};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::json;

use super::{
    network::{API_SERVER, API_SERVICE, NODE},
    state::State,
};

/// The name of the only node.
pub(crate) const NODE_NAME: &str = "node";

/// A holder of a certificate.
struct Member {
    /// Of its files, and of its kubeconfig.
    name: &'static str,
    /// The user that the API server takes it for.
    user: &'static str,
    group: Option<&'static str>,
}

/// Everyone who asks the API server. The groups have their rights from the start (Kubernetes,
/// "Using RBAC Authorization", default roles).
const CLIENTS: [Member; 5] = [
    Member {
        name: "admin",
        user: "admin",
        group: Some("system:masters"),
    },
    Member {
        name: "kubelet",
        user: "system:node:node",
        group: Some("system:nodes"),
    },
    Member {
        name: "kube-controller-manager",
        user: "system:kube-controller-manager",
        group: None,
    },
    Member {
        name: "kube-scheduler",
        user: "system:kube-scheduler",
        group: None,
    },
    Member {
        name: "kube-proxy",
        user: "system:kube-proxy",
        group: None,
    },
];

/// Writes `pki/` and `kubeconfig/`.
pub(crate) fn write(state: &State) -> Result<()> {
    let authority = make_authority()?;
    fs::write(state.path("pki/ca.crt"), authority.0)?;
    let issuer = authority.1;
    // For the tokens of service accounts.
    let tokens = KeyPair::generate()?;
    fs::write(state.path("pki/tokens.key"), tokens.serialize_pem())?;
    fs::write(state.path("pki/tokens.pub"), tokens.public_key_pem())?;
    let (node, service) = (NODE.to_string(), API_SERVICE.to_string());
    let names = ["localhost", "127.0.0.1", &node, &service];
    let services = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ];
    let names = names.into_iter().chain(services).map(str::to_owned);
    let api_server = CertificateParams::new(names.collect::<Vec<_>>())?;
    write_pair(state, &issuer, "kube-apiserver", api_server)?;
    let kubelet = CertificateParams::new(vec![NODE_NAME.to_owned(), node])?;
    write_pair(state, &issuer, "kubelet-server", kubelet)?;
    for member in &CLIENTS {
        let mut params = CertificateParams::default();
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, member.user);
        if let Some(group) = member.group {
            name.push(DnType::OrganizationName, group);
        }
        write_pair(state, &issuer, member.name, params)?;
        let file = state.path("kubeconfig").join(member.name);
        write_kubeconfig(state, member.name, &file, API_SERVER)?;
    }
    Ok(())
}

/// Writes a kubeconfig for a member that reaches the API server at this address.
pub(crate) fn write_kubeconfig(
    state: &State,
    member: &str,
    file: &Path,
    server: SocketAddr,
) -> Result<()> {
    let cluster = json!({
        "server": format!("https://{server}"),
        "certificate-authority": state.text("pki/ca.crt"),
    });
    let user = json!({
        "client-certificate": state.text(&format!("pki/{member}.crt")),
        "client-key": state.text(&format!("pki/{member}.key")),
    });
    let name = state.mark();
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    });
    fs::write(file, format!("{config:#}\n")).with_context(|| format!("write {}", file.display()))
}

fn make_authority() -> Result<(String, Issuer<'static, KeyPair>)> {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "anyray e2e");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?.pem();
    Ok((certificate, Issuer::new(params, key)))
}

fn write_pair(
    state: &State,
    issuer: &Issuer<'_, KeyPair>,
    name: &str,
    mut params: CertificateParams,
) -> Result<()> {
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsagePurpose::ServerAuth,
    ];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?;
    fs::write(state.path(format!("pki/{name}.crt")), certificate.pem())?;
    fs::write(state.path(format!("pki/{name}.key")), key.serialize_pem())?;
    Ok(())
}
