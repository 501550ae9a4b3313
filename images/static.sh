# Sourced by images/build.sh, connect/npm/pack.sh and bench/bench.sh: how static binaries are compiled.
#
#   IMAGE_CPU     oldest CPU that must run them (default: x86-64-v2, any server since 2010;
#                 x86-64-v3 needs AVX2 and scans large bodies faster)
#   IMAGE_TARGET  default: x86_64-unknown-linux-gnu; aarch64-unknown-linux-gnu needs its
#                 Rust target and cross linker installed, and is untested
# shellcheck shell=bash

triple=${IMAGE_TARGET:-x86_64-unknown-linux-gnu}
# shellcheck disable=SC2034 # for those who source this
case $triple in
  x86_64-unknown-linux-gnu) machine=amd64 cpu=${IMAGE_CPU:-x86-64-v2} ;;
  aarch64-unknown-linux-gnu) machine=arm64 cpu=${IMAGE_CPU:-generic} ;;
  *)
    echo "IMAGE_TARGET is x86_64-unknown-linux-gnu or aarch64-unknown-linux-gnu, not '$triple'" >&2
    exit 64
    ;;
esac

# Prints where the binary of a package is built: static_binary PACKAGE
static_binary() {
  echo "$target/$triple/release/$1"
}

# static_build PACKAGE... [CARGO_OPTION...]
# All programs are built with the features that the whole workspace needs of their dependencies, and
# these carry bitcode beside machine code: so each dependency is compiled once, whether a program is
# only linked or optimised as a whole, which images/rustc decides.
# --target keeps crt-static away from procedural macros, which cannot be static.
static_build() {
  local word packages=() arguments=()
  for word; do
    case $word in
      -*) arguments+=("$word") ;;
      *) packages+=("$word") arguments+=(--bin "$word") ;;
    esac
  done
  # Cargo compares a wrapper's path, not its content.
  local wrapper
  wrapper=$target/rustc-$(cksum <images/rustc | cut -d ' ' -f 1)
  mkdir -p "$target" && cp images/rustc "$wrapper" || return
  RUSTFLAGS="-C target-feature=+crt-static -C target-cpu=$cpu -C embed-bitcode=yes" \
    RUSTC_WORKSPACE_WRAPPER=$wrapper \
    cargo build --quiet --locked --release --target "$triple" --workspace "${arguments[@]}" || return
  for word in "${packages[@]}"; do check_static "$(static_binary "$word")" || return; done
}

check_static() {
  if LC_ALL=C readelf --program-headers "$1" | grep -q INTERP; then
    echo "$1 is not static: it asks for a dynamic loader" >&2
    return 1
  fi
}
