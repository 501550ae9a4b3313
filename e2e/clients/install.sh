#!/usr/bin/env bash
# Installs the real clients that the end-to-end tests run: pinned, from the
# package registries, into a cache folder. Runs again only if a pin changed.
# The last line printed is the folder.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${ANYRAY_CACHE:-$HOME/.cache/anyray}/clients
pins=("$here/install.sh" "$here/python/requirements.txt" "$here/node/package.json" "$here/node/package-lock.json")
wanted=$(cat "${pins[@]}" | sha256sum | cut -d' ' -f1)

# Prints why the installation cannot go on, and ends it.
fail() {
  echo "clients: $*" >&2
  exit 1
}

# Prints the Debian packages that are missing for the tools used below.
missing_packages() {
  python3 -c 'import venv, ensurepip' 2>/dev/null || echo python3 python3-venv
  command -v npm >/dev/null || echo nodejs npm
}

install_tools() {
  local packages
  packages=$(missing_packages | tr '\n' ' ')
  [ -z "${packages// /}" ] && return
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
    fail "these tools are missing, install them first: $packages"
  echo "clients: installing from Debian: $packages"
  apt-get update -qq
  # shellcheck disable=SC2086 # a list of package names
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
}

install_python() {
  rm -rf "$target/python"
  python3 -m venv "$target/python"
  "$target/python/bin/pip" install --quiet --disable-pip-version-check --no-input \
    --requirement "$here/python/requirements.txt"
}

install_node() {
  rm -rf "$target/node"
  mkdir -p "$target/node"
  cp "$here/node/package.json" "$here/node/package-lock.json" "$target/node/"
  # Install scripts stay off: npm versions disagree on running them. The one
  # that is needed puts the native binary of Claude Code in its place, below.
  # The engine warning is of the npm that installs, not of the node that runs.
  (cd "$target/node" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  local node_binary
  node_binary=$(find "$target/node/node_modules" -path '*/node-linux-*/bin/node' -print -quit)
  [ -n "$node_binary" ] || fail "no node binary for $(uname -sm) among the packages"
  ln -s "$node_binary" "$target/node/node"
  "$target/node/node" "$target/node/node_modules/@anthropic-ai/claude-code/install.cjs"
}

# Every client answers to its version, so that a broken installation shows here.
check() {
  local -x HOME=$target
  "$target/python/bin/python" -c 'import anthropic, boto3, google.genai, openai; print("openai", openai.__version__, "anthropic", anthropic.__version__, "boto3", boto3.__version__, "google-genai", google.genai.__version__)'
  "$target/python/bin/python" -c 'import langchain_anthropic, langchain_aws, langchain_core, langchain_google_genai, langchain_openai; print("langchain-core", langchain_core.__version__)'
  "$target/node/node" --version
  "$target/node/node_modules/.bin/claude" --version
  "$target/node/node" "$target/node/node_modules/@openai/codex/bin/codex.js" --version
}

mkdir -p "$target"
exec 9>"$target/lock"
flock 9
if [ "$(cat "$target/installed" 2>/dev/null)" = "$wanted" ]; then
  echo "clients: already installed"
else
  echo "clients: installing into $target (about 1.5 GB, some minutes):"
  echo "  a Python environment: $(sed '1d;/^# What/,$d' "$here/python/requirements.txt" | tr '\n' ' ')"
  echo "  npm packages: $(grep -E '^    "' "$here/node/package.json" | tr -d '", ' | tr '\n' ' ')"
  install_tools
  rm -f "$target/installed"
  install_python
  install_node
  check
  echo "$wanted" >"$target/installed"
fi
echo "$target"
