//! The processes that make up a node and its control plane: their flags and their configuration.

use std::{fs, path::Path};

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    certificates::NODE_NAME,
    network::{API_SERVER, DNS_SERVICE, ETCD, NODE, POD_RANGE, SERVICE_RANGE},
    process::Process,
    state::State,
};

/// A process of the cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Component {
    Etcd,
    ApiServer,
    ControllerManager,
    Scheduler,
    Kubelet,
    Proxy,
    Dns,
}

impl Component {
    /// Of its binary, of its log, and of its note among the processes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Kubelet => "kubelet",
            Self::Proxy => "kube-proxy",
            Self::Dns => "coredns",
        }
    }

    /// Starts it; the calling thread is inside the network namespace of the node.
    pub(crate) fn start(self, state: &State, bin_dir: &Path) -> Result<Process> {
        let flags = match self {
            Self::Etcd => etcd(state),
            Self::ApiServer => api_server(state),
            Self::ControllerManager => controller_manager(state),
            Self::Scheduler => scheduler(state),
            Self::Kubelet => kubelet(state),
            Self::Proxy => proxy(state),
            Self::Dns => vec![format!("-conf={}", state.text("Corefile"))],
        };
        state.spawn(self.name(), &bin_dir.join(self.name()), &flags)
    }
}

/// Writes the files that the flags name.
pub(crate) fn write_configuration(state: &State) -> Result<()> {
    let audit = json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata"}],
    });
    fs::write(state.path("audit-policy"), audit.to_string())?;
    fs::write(
        state.path("kubelet.json"),
        kubelet_configuration(state).to_string(),
    )?;
    // A pod has no resolver but the cluster's.
    fs::write(state.path("resolv.conf"), "")?;
    let zone = format!(
        ".:53 {{\n  errors\n  ready\n  kubernetes cluster.local in-addr.arpa {{\n    kubeconfig {}\n  }}\n}}\n",
        state.text("kubeconfig/admin")
    );
    fs::write(state.path("Corefile"), zone)?;
    fs::write(state.path("dns.json"), dns_service().to_string())?;
    Ok(())
}

fn etcd(state: &State) -> Vec<String> {
    vec![
        format!("--data-dir={}", state.text("etcd")),
        // Nothing here must survive the machine.
        "--unsafe-no-fsync".to_owned(),
    ]
}

fn api_server(state: &State) -> Vec<String> {
    let pki = |file: &str| state.text(&format!("pki/{file}"));
    vec![
        format!("--advertise-address={NODE}"),
        format!("--secure-port={}", API_SERVER.port()),
        format!("--service-cluster-ip-range={SERVICE_RANGE}"),
        format!("--client-ca-file={}", pki("ca.crt")),
        format!("--tls-cert-file={}", pki("kube-apiserver.crt")),
        format!("--tls-private-key-file={}", pki("kube-apiserver.key")),
        format!("--kubelet-certificate-authority={}", pki("ca.crt")),
        format!("--kubelet-client-certificate={}", pki("admin.crt")),
        format!("--kubelet-client-key={}", pki("admin.key")),
        format!("--service-account-key-file={}", pki("tokens.pub")),
        format!("--service-account-signing-key-file={}", pki("tokens.key")),
        format!("--audit-policy-file={}", state.text("audit-policy")),
        format!("--audit-log-path={}", state.text("logs/audit.log")),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        format!("--etcd-servers=http://{ETCD}"),
        "--endpoint-reconciler-type=master-count".to_owned(),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        "--allow-privileged".to_owned(),
    ]
}

fn controller_manager(state: &State) -> Vec<String> {
    vec![
        kubeconfig(state, Component::ControllerManager),
        format!("--root-ca-file={}", state.text("pki/ca.crt")),
        format!(
            "--service-account-private-key-file={}",
            state.text("pki/tokens.key")
        ),
        "--use-service-account-credentials".to_owned(),
        "--leader-elect=false".to_owned(),
        "--bind-address=127.0.0.1".to_owned(),
    ]
}

fn scheduler(state: &State) -> Vec<String> {
    vec![
        kubeconfig(state, Component::Scheduler),
        "--leader-elect=false".to_owned(),
        "--bind-address=127.0.0.1".to_owned(),
    ]
}

fn kubelet(state: &State) -> Vec<String> {
    vec![
        kubeconfig(state, Component::Kubelet),
        format!("--config={}", state.text("kubelet.json")),
        format!("--root-dir={}", state.text("kubelet")),
        format!("--hostname-override={NODE_NAME}"),
        format!("--node-ip={NODE}"),
    ]
}

fn proxy(state: &State) -> Vec<String> {
    vec![
        kubeconfig(state, Component::Proxy),
        format!("--hostname-override={NODE_NAME}"),
        format!("--cluster-cidr={POD_RANGE}"),
        "--proxy-mode=nftables".to_owned(),
        // The table of connections is the whole machine's: its limits stay.
        "--conntrack-max-per-core=0".to_owned(),
        "--conntrack-tcp-timeout-established=0".to_owned(),
        "--conntrack-tcp-timeout-close-wait=0".to_owned(),
    ]
}

fn kubeconfig(state: &State, component: Component) -> String {
    let name = component.name();
    format!("--kubeconfig={}", state.text(&format!("kubeconfig/{name}")))
}

fn kubelet_configuration(state: &State) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": state.text("pki/ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": state.text("pki/kubelet-server.crt"),
        "tlsPrivateKeyFile": state.text("pki/kubelet-server.key"),
        "containerRuntimeEndpoint": format!("unix://{}", state.text("containerd.sock")),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", state.mark()),
        "enforceNodeAllocatable": [],
        "failSwapOn": false,
        "makeIPTablesUtilChains": false,
        "clusterDomain": "cluster.local",
        "clusterDNS": [DNS_SERVICE],
        "resolvConf": state.text("resolv.conf"),
        "podLogsDir": state.text("logs/pods"),
        // What fills the disk of a developer's machine is no concern of the tests, and an
        // image that was imported can not be pulled again.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "memory.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%",
        },
    })
}

/// `CoreDNS` is a process of the node, and the Service leads there.
fn dns_service() -> Value {
    let metadata = json!({"name": "kube-dns", "namespace": "kube-system", "labels": {"kubernetes.io/service-name": "kube-dns"}});
    let protocols = [("dns", "UDP"), ("dns-tcp", "TCP")];
    let ports =
        protocols.map(|(name, protocol)| json!({"name": name, "port": 53, "protocol": protocol}));
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"clusterIP": DNS_SERVICE, "ports": ports},
    });
    let endpoints = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": [{"addresses": [NODE]}],
    });
    json!({"apiVersion": "v1", "kind": "List", "items": [service, endpoints]})
}
