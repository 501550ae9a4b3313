#!/usr/bin/env bash
# Builds the images anyray-operator, anyray-gateway and anyray-fakes: static binaries in FROM scratch.
#
#   IMAGE_REGISTRY  put before the names, as in registry.example.com/team (default: none)
#   IMAGE_TAG       default: dev
#   IMAGE_TOOL      buildah or docker (default: docker where its daemon answers, else buildah)
#   IMAGE_CPU, IMAGE_TARGET   what they run on, see images/static.sh
#   images/build.sh [IMAGE...]   only these: operator, gateway, fakes
. "$(dirname "${BASH_SOURCE[0]}")/../.ci/env.sh"
. images/static.sh

[ $# -gt 0 ] || set -- operator gateway fakes
tag=${IMAGE_TAG:-dev}
platform=linux/$machine
# For buildah as root in a container or a small machine: no overlay, no runtime.
export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot} STORAGE_DRIVER=${STORAGE_DRIVER:-vfs}

choose_tool() {
  tool=${IMAGE_TOOL:-}
  [ -z "$tool" ] || return 0
  if docker info >/dev/null 2>&1; then
    tool=docker
  else
    need buildah buildah
    tool=buildah
  fi
}

name_of() {
  echo "${IMAGE_REGISTRY:+${IMAGE_REGISTRY%/}/}anyray-$1:$tag"
}

assemble() {
  local image=$1 binary context labels
  binary=$(static_binary "anyray-$image")
  context=$(mktemp -d)
  labels=(
    --label "org.opencontainers.image.title=anyray-$image"
    --label "org.opencontainers.image.licenses=Apache-2.0"
    --label "org.opencontainers.image.source=$(sed -n 's/^repository = "\(.*\)"/\1/p' Cargo.toml)"
    --label "org.opencontainers.image.version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)"
    --label "org.opencontainers.image.revision=$(git rev-parse --verify --quiet HEAD || echo unknown)"
  )
  cp "$binary" "$context/" &&
    "$tool" build --quiet --platform "$platform" "${labels[@]}" \
      --file "images/$image.Containerfile" --tag "$(name_of "$image")" "$context"
  local status=$?
  rm -rf "$context"
  return $status
}

# The program starts inside its image, where there is no library to lean on.
try() {
  local image=$1 container status=0
  case $tool in
    docker) docker run --rm --platform "$platform" "$(name_of "$image")" --version ;;
    buildah)
      container=$(buildah from --pull-never "$(name_of "$image")") || return
      buildah run --user 65532:65532 "$container" -- "/anyray-$image" --version || status=$?
      buildah rm "$container" >/dev/null
      return "$status"
      ;;
  esac
}

choose_tool
echo "Building for $triple, CPU $cpu or newer, with $tool"
step "static release build" static_build "${@/#/anyray-}"
for image; do
  step "image $(name_of "$image")" assemble "$image"
  if [ "$platform" = linux/amd64 ]; then
    step "start $(name_of "$image")" try "$image"
  fi
  echo "$(name_of "$image"): $(stat -c %s "$(static_binary "anyray-$image")") bytes"
done
[ "$tool" = docker ] || echo "To list or push them: STORAGE_DRIVER=$STORAGE_DRIVER buildah images"
