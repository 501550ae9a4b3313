#!/usr/bin/env bash
# Renders the manifests beside it, as the operator would, and starts the echo
# provider and the gateway on them, until Ctrl-C: no cluster, no key, no network.
# With ANYRAY_PROVIDER_KEY_OPENAI or ANYRAY_PROVIDER_KEY_ANTHROPIC in the
# environment, that provider is the real one.
# Ports: ANYRAY_LISTEN, ANYRAY_OPS_LISTEN, ANYRAY_FAKES_LISTEN.
# ANYRAY_PROGRAMS names a folder that has the three programs: then nothing is built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

listen=${ANYRAY_LISTEN:-127.0.0.1:8787}
ops_listen=${ANYRAY_OPS_LISTEN:-127.0.0.1:8789}
echo_listen=${ANYRAY_FAKES_LISTEN:-127.0.0.1:8786}
openai_key=${ANYRAY_PROVIDER_KEY_OPENAI:-}
anthropic_key=${ANYRAY_PROVIDER_KEY_ANTHROPIC:-}
# What is started below, build scripts among it, needs no key in its environment.
unset ANYRAY_PROVIDER_KEY_OPENAI ANYRAY_PROVIDER_KEY_ANTHROPIC

examples=examples/quickstart
programs=${ANYRAY_PROGRAMS:-}
# Tries, five a second: 20 s, for a machine that is busy.
start_tries=100
folder='' echo_pid='' gateway_pid=''

fail() {
  echo "quickstart: $*" >&2
  exit 1
}

# Connects to HOST:PORT as file descriptor 3 of the calling subshell.
connect() {
  local host=${1%:*}
  host=${host#[}
  exec 3<>"/dev/tcp/${host%]}/${1##*:}"
}

is_taken() {
  (connect "$1") 2>/dev/null
}

is_ready() {
  local status
  (connect "$ops_listen" &&
    printf 'GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n' >&3 &&
    read -r _ status _ <&3 &&
    [ "$status" = 200 ]) 2>/dev/null
}

# Waits until a command succeeds, for as long as the process lives.
wait_for() {
  local what=$1 pid=$2 tries=$start_tries
  shift 2
  until "$@"; do
    kill -0 "$pid" 2>/dev/null || fail "$what ended before it was ready"
    [ $((tries -= 1)) -gt 0 ] || fail "$what was not ready in time"
    sleep 0.2
  done
}

check_ports() {
  # Two gateways of one user share a port without an error: ask before.
  local address
  for address in "$listen:ANYRAY_LISTEN" "$ops_listen:ANYRAY_OPS_LISTEN" "$echo_listen:ANYRAY_FAKES_LISTEN"; do
    ! is_taken "${address%:*}" ||
      fail "${address%:*} is taken: end what listens there, or name another address in ${address##*:}"
  done
}

# Prints a Secret like keys.yaml's, with the keys that were given.
# printf is a builtin: a key is on no command line.
keys() {
  local encoded
  printf '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "provider-keys"}, "data": {'
  encoded=$(printf %s "${openai_key:-echo-takes-any-key}" | base64 | tr -d '\n')
  printf '"openai": "%s", ' "$encoded"
  encoded=$(printf %s "${anthropic_key:-echo-takes-any-key}" | base64 | tr -d '\n')
  printf '"anthropic": "%s"}}\n' "$encoded"
}

# Without a cluster its names lead nowhere: each key gets an endpoint that does.
endpoints() {
  if [ -n "$openai_key" ]; then
    echo --endpoint openai=https://api.openai.com/v1
  else
    echo --endpoint "openai=http://$echo_listen/v1"
  fi
  if [ -n "$anthropic_key" ]; then
    echo --endpoint anthropic=https://api.anthropic.com
  else
    echo --endpoint "anthropic=http://$echo_listen"
  fi
}

# Without default features, the programs lack what only a cluster needs. The
# profile has a folder of its own, so no test gets hold of them.
build() {
  echo "Building the operator, the gateway and the echo provider; the first build takes a few minutes."
  cargo build --locked --profile quickstart --no-default-features \
    --package anyray-operator --package anyray-gateway --package anyray-fakes --bins
  programs=${CARGO_TARGET_DIR:-target}/quickstart
}

render() {
  local options
  folder=$(mktemp -d "${TMPDIR:-/tmp}/anyray-quickstart.XXXXXX")
  umask 077
  mkdir "$folder/manifests"
  cp "$examples/gateway.yaml" "$examples/provider-keys.yaml" "$folder/manifests"
  keys >"$folder/manifests/keys.json"
  read -r -d '' -a options < <(endpoints) || true
  "$programs/anyray-operator" render "$folder/manifests" --out "$folder/config" "${options[@]}" ||
    fail "the manifests could not be rendered"
}

start() {
  "$programs/anyray-fakes" echo --listen "$echo_listen" >/dev/null &
  echo_pid=$!
  wait_for "the echo provider" "$echo_pid" is_taken "$echo_listen"
  "$programs/anyray-gateway" --config-dir "$folder/config" --log "${ANYRAY_LOG:-warn}" \
    --listen "$listen" --ops-listen "$ops_listen" \
    --shutdown-drain-ms "${ANYRAY_SHUTDOWN_DRAIN_MS:-5000}" &
  gateway_pid=$!
  wait_for "the gateway" "$gateway_pid" is_ready
}

stop() {
  trap - EXIT
  trap '' INT TERM
  local pid
  for pid in $gateway_pid $echo_pid; do
    # As Ctrl-C does, which reaches them before this where there is a terminal.
    kill -INT "$pid" 2>/dev/null || true
  done
  wait
  [ -z "$folder" ] || rm -rf "$folder"
}

where() {
  if [ -n "$1" ]; then echo "the real one, with your key"; else echo "echo, on $echo_listen"; fi
}

welcome() {
  cat <<EOT

The gateway is ready.

  for callers    http://$listen
  for operators  http://$ops_listen/metrics, /readyz, /config
  openai         $(where "$openai_key")
  anthropic      $(where "$anthropic_key")

Try, in another terminal:

  curl http://$listen/v1/chat/completions -H 'content-type: application/json' \\
    -d '{"model": "gpt-5", "messages": [{"role": "user", "content": "hello"}]}'

README.md has the same for the SDKs, Claude Code and Codex.
Each request is one line below. Ctrl-C ends it all.

EOT
}

trap stop EXIT
# To be told to end is no failure.
trap 'echo "All has ended."; exit 0' INT TERM
check_ports
[ -n "$programs" ] || build
render
start
welcome
wait "$gateway_pid"
