#!/usr/bin/env bash
# Tries the packed npm package: its program with nothing around it, and npx without a network.
# connect/npm/try.sh [TARBALL]
tarball=${1:+$(realpath "$1")}
. "$(dirname "${BASH_SOURCE[0]}")/../../.ci/env.sh"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
tarball=${tarball:-$target/npm/anyray-connect-$version.tgz}
folder=$(mktemp -d)
program=$folder/package/vendor/linux-x64/anyray-connect
trap 'rm -rf "$folder"' EXIT

# Whether a command prints a text: expect TEXT COMMAND...
expect() {
  local text=$1 said
  shift
  # The doctor fails where no gateway is.
  said=$("$@" 2>&1) || true
  [[ $said == *"$text"* ]] || {
    printf 'npm: "%s" is not in what was printed:\n%s\n' "$text" "$said" >&2
    return 1
  }
}

# Runs the program where there is no library, no loader and no file but itself.
alone() {
  local change_root=(unshare --map-root-user chroot)
  [ "$(id -u)" != 0 ] || change_root=(chroot)
  env --ignore-environment HOME=/home PATH="$PATH" "${change_root[@]}" "$folder/root" /anyray-connect "$@"
}

try_alone() {
  mkdir "$folder/root" &&
    cp "$program" "$folder/root/" &&
    expect "anyray-connect $version" alone --version &&
    expect '"gateway":' alone status --json &&
    expect 'Set up: Claude Code.' alone --tools claude-code --yes &&
    expect 'Undone.' alone --revert --yes &&
    [ "$(ls "$folder/root")" = "$(basename "$program")" ]
}

# A static program must not load what this machine has for names: connect/src/resolver.rs.
try_names() {
  mkdir "$folder/bin" &&
    cat >"$folder/bin/getent" <<'GETENT' &&
#!/bin/sh
[ "$*" != "ahosts gateway.invalid" ] || echo "127.0.0.1       STREAM gateway.invalid"
GETENT
    chmod +x "$folder/bin/getent" &&
    expect 'nothing listens there' doctor_of gateway.invalid
}

doctor_of() {
  env --ignore-environment HOME="$folder" PATH="$folder/bin:$PATH" "$program" doctor --gateway "http://$1:1" --json
}

# In an empty home; a package that is looked for anywhere else is not found.
try_npx() {
  mkdir "$folder/home" &&
    cp "$tarball" "$folder/home/" &&
    expect "anyray-connect $version" env --ignore-environment --chdir "$folder/home" HOME="$folder/home" PATH="$PATH" \
      npm_config_offline=true npm_config_update_notifier=false npx --yes "./$(basename "$tarball")" --version
}

need node nodejs npm npm
tar --extract --gzip --file "$tarball" --directory "$folder"
step "anyray-connect with nothing around it" try_alone
step "anyray-connect and names of hosts" try_names
step "npx anyray-connect without a network" try_npx
