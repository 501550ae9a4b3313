# Sourced by the scripts here and in bench/ and images/: they run in the
# repository's root, say what they install before they do, and time their steps.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Tools and clients that are kept between runs, outside the checkout.
cache=${ANYRAY_CACHE:-$HOME/.cache/anyray}
target=${CARGO_TARGET_DIR:-$PWD/target}
# What cargo tells a test of its package would make build scripts run again, and all after them.
unset CARGO_MANIFEST_DIR CARGO_MANIFEST_PATH "${!CARGO_PKG_@}"
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}
# A clean clone is built once: what speeds up the next build would take gigabytes for nothing, and
# nobody attaches a debugger.
[ -z "${CI:-}" ] || export CARGO_INCREMENTAL=${CARGO_INCREMENTAL:-0} CARGO_PROFILE_DEV_DEBUG=${CARGO_PROFILE_DEV_DEBUG:-none}

# Runs a command and says how long it took: step NAME COMMAND...
# `set -e` is off in a function that runs this way: chain its commands by `&&`.
step() {
  local name=$1 begin=$SECONDS status=0
  shift
  printf '\n== %s\n' "$name"
  "$@" || status=$?
  if [ "$status" = 0 ]; then
    printf '== %s: ok, %s s\n' "$name" $((SECONDS - begin))
  else
    printf '== %s: FAILED (exit %s), %s s\n' "$name" "$status" $((SECONDS - begin))
  fi
  return "$status"
}

# Installs Debian packages for commands that are missing: need COMMAND PACKAGE [COMMAND PACKAGE]...
# An empty COMMAND always counts as missing.
need() {
  local missing=()
  while [ $# -gt 0 ]; do
    command -v "$1" >/dev/null || missing+=("$2")
    shift 2
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "Installing from Debian: ${missing[*]}"
  if ! command -v apt-get >/dev/null; then
    echo "There is no apt-get here. Install these yourself, then run this again: ${missing[*]}" >&2
    return 1
  fi
  local as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}
