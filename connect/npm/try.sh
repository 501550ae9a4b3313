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

# Runs the program where there is no library, no loader and no file but itself.
alone() {
  local change_root=(unshare --map-root-user chroot)
  [ "$(id -u)" != 0 ] || change_root=(chroot)
  env --ignore-environment HOME=/home PATH="$PATH" "${change_root[@]}" "$folder/root" /anyray-connect "$@"
}

try_alone() {
  local said
  mkdir "$folder/root" &&
    cp "$program" "$folder/root/" &&
    said=$(alone --version) && [ "$said" = "anyray-connect $version" ] &&
    alone status --json | grep --quiet '"gateway"' &&
    alone --tools claude-code --yes | grep --quiet 'Set up: Claude Code' &&
    alone --revert --yes | grep --quiet Undone &&
    [ "$(ls "$folder/root")" = "$(basename "$program")" ]
}

# A static program must not load what this machine has for names: connect/src/resolver.rs.
try_names() {
  local said
  mkdir "$folder/bin" &&
    printf '#!/bin/sh\n[ "$2" = gateway.invalid ] && echo "127.0.0.1 STREAM"\n' >"$folder/bin/getent" &&
    chmod +x "$folder/bin/getent" &&
    { said=$(HOME=$folder PATH=$folder/bin:$PATH "$program" doctor --gateway http://gateway.invalid:1 2>&1) || true; } &&
    grep --quiet 'nothing listens there' <<<"${said//$'\n' *( )/ }"
}

# In an empty home; a package that is looked for anywhere else is not found.
try_npx() {
  local said
  mkdir "$folder/home" &&
    cp "$tarball" "$folder/home/" &&
    said=$(cd "$folder/home" && env --ignore-environment HOME="$folder/home" PATH="$PATH" \
      npm_config_offline=true npm_config_update_notifier=false npx --yes "./$(basename "$tarball")" --version) &&
    [ "$said" = "anyray-connect $version" ]
}

need node nodejs npm npm
tar --extract --gzip --file "$tarball" --directory "$folder"
step "anyray-connect with nothing around it" try_alone
step "anyray-connect and names of hosts" try_names
step "npx anyray-connect without a network" try_npx
