#!/usr/bin/env bash
# Packs the npm package anyray-connect: a launcher, and the program for each platform.
# The last line printed is the tarball.
#
#   connect/npm/pack.sh            builds the static program for Linux and packs it
#   connect/npm/pack.sh FOLDER     packs what is in FOLDER, too, as Node names the platforms:
#                                  linux-arm64/anyray-connect, darwin-arm64/anyray-connect,
#                                  win32-x64/anyray-connect.exe; what is there is not built
#
#   CONNECT_OUT                    where the tarball goes (default: target/npm)
#   IMAGE_CPU, IMAGE_TARGET        what the built program is for, see images/static.sh
given=${1:+$(realpath "$1")}
. "$(dirname "${BASH_SOURCE[0]}")/../../.ci/env.sh"
. images/static.sh

out=$(realpath -m "${CONNECT_OUT:-$target/npm}")
case $machine in amd64) built=linux-x64 ;; arm64) built=linux-arm64 ;; esac
platforms=(linux-x64 linux-arm64 darwin-x64 darwin-arm64 win32-x64 win32-arm64)
package=$(mktemp -d)
trap 'rm -rf "$package"' EXIT

binary_name() {
  case $1 in win32-*) echo anyray-connect.exe ;; *) echo anyray-connect ;; esac
}

# put PLATFORM BINARY
put() {
  install -D -m 755 "$2" "$package/vendor/$1/$(binary_name "$1")"
}

collect() {
  local platform binary
  for platform in "${platforms[@]}"; do
    binary=$given/$platform/$(binary_name "$platform")
    if [ -n "$given" ] && [ -f "$binary" ]; then
      put "$platform" "$binary" || return
    fi
  done
}

build() {
  static_build anyray-connect &&
    put "$built" "$(static_binary anyray-connect)" &&
    "$(command -v "${triple/-unknown/}-strip" || echo strip)" "$package/vendor/$built/anyray-connect"
}

assemble() {
  local version
  version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
  cp LICENSE connect/npm/launch.js connect/npm/README.md "$package/" &&
    sed "s/\"version\": \"0.0.0\"/\"version\": \"$version\"/" connect/npm/package.json >"$package/package.json" &&
    chmod 755 "$package/launch.js" &&
    mkdir -p "$out" &&
    tarball=$out/$(cd "$package" && npm pack --silent --offline --ignore-scripts --pack-destination "$out")
}

need node nodejs npm npm
collect
[ -e "$package/vendor/$built" ] || step "static build of anyray-connect for $triple, CPU $cpu or newer" build
assemble
echo "$(cd "$package/vendor" && echo *): $(stat -c %s "$tarball") bytes"
echo "$tarball"
