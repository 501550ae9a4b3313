#!/usr/bin/env bash
# Builds what a cluster on this machine is made of, from one pinned Go module, into
# a cache folder, and installs its container runtime from Debian. Quick when all
# is there. The last line printed on stdout is the folder with the binaries;
# progress goes to stderr.
#
#   e2e/cluster/install.sh [PART...]   only these: kubernetes, helm (default: both)
# shellcheck source=.ci/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../.ci/env.sh"
exec 3>&1 1>&2

module=e2e/cluster
go_wanted=1.26
kubernetes_version=v1.34.4
pins=$(cd $module && cat go.{mod,sum} {coredns,etcd,pause}/main.go | sha256sum)
bin=$cache/kubernetes-${pins:0:12}
# Folders of binaries that stay: the last two that were used.
folders_kept=2
# As in images/build.sh.
export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot} STORAGE_DRIVER=${STORAGE_DRIVER:-vfs}

check_go() {
  local found
  found=$(go env GOVERSION 2>/dev/null) || found=none
  if [ "$(printf '%s\n' "go$go_wanted" "$found" | sort -V | head -n 1)" != "go$go_wanted" ]; then
    echo "cluster: Go $go_wanted or newer builds Kubernetes; this machine has: $found. Install it, then run this again." >&2
    return 1
  fi
}

# Counts the modules and packages that `go build -v` names, and passes on all else that it prints.
progress() {
  awk '
    /^go: downloading / { if (++modules % 50 == 0) printf "%d modules downloaded\n", modules; next }
    /[ :#]/ { print; next }
    ++packages % 250 == 0 { printf "%d packages compiled\n", packages }
    { fflush() }'
}

# Builds packages, and puts their binaries in place once all are there: build PACKAGE...
# No symbols and no debug information, which take time to make and nobody reads.
build() {
  local version=k8s.io/component-base/version building status=0
  check_go || return
  building=$(mktemp -d "$bin/.building.XXXXXX") || return
  (cd $module && CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -v -trimpath -buildvcs=false -o "$building/" -gcflags=all=-dwarf=false \
    -ldflags "-s -w -X $version.gitVersion=$kubernetes_version -X $version.gitMajor=1 -X $version.gitMinor=34" "$@") 2>&1 | progress &&
    mv "$building"/* "$bin/" || status=$?
  rm -rf "$building"
  return $status
}

# The image of every pod's sandbox: a static binary that waits for its end.
pack_pause() {
  local context status=0
  context=$(mktemp -d)
  printf 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n' >"$context/Containerfile"
  cp "$bin/pause" "$context/" &&
    buildah build --quiet --tag anyray-pause:dev "$context" &&
    buildah push --quiet anyray-pause:dev "docker-archive:$context/pause.tar:anyray-pause:dev" &&
    mv "$context/pause.tar" "$bin/" || status=$?
  rm -rf "$context"
  return $status
}

install_runtime() {
  need containerd containerd runc runc buildah buildah iptables iptables nft nftables conntrack conntrack ip iproute2
  # Plugins for containerd, none of them a command.
  [ -x /usr/lib/cni/bridge ] || need '' containernetworking-plugins
}

install_kubernetes() {
  install_runtime
  # Helm comes along: its packages are Kubernetes' own. Pause is the last that is put into place.
  [ -x "$bin/pause" ] || step "Kubernetes $kubernetes_version, etcd, CoreDNS, Helm: some 6 minutes on two cores" build tool ./...
  [ -f "$bin/pause.tar" ] || step "image anyray-pause:dev" pack_pause
}

install_helm() {
  [ -x "$bin/helm" ] || step "Helm: a minute on two cores" build helm.sh/helm/v3/cmd/helm
}

# The folder in use is the newest, however long ago it was built.
prune() {
  touch "$bin"
  ls -1dt "$cache"/kubernetes-*/ | tail -n +$((folders_kept + 1)) | xargs -r -d '\n' rm -rf
}

[ $# -gt 0 ] || set -- kubernetes helm
for part; do
  case $part in
    kubernetes | helm) ;;
    *)
      echo "cluster: the parts are kubernetes and helm, not '$part'" >&2
      exit 64
      ;;
  esac
done
mkdir -p "$bin"
exec 9>"$cache/kubernetes.lock"
flock 9
# Of a build that was interrupted.
rm -rf "$bin"/.building.*
for part; do "install_$part"; done
prune
echo "$bin" >&3
