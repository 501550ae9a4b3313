#!/usr/bin/env bash
# Runs the built images: the echo provider in one, the gateway in the other, one request through
# both. Takes the variables of build.sh.
. "$(dirname "${BASH_SOURCE[0]}")/../.ci/env.sh"

tag=${IMAGE_TAG:-dev}
prefix=${IMAGE_REGISTRY:+${IMAGE_REGISTRY%/}/}
export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot} STORAGE_DRIVER=${STORAGE_DRIVER:-vfs}
tool=${IMAGE_TOOL:-}
[ -n "$tool" ] || { docker info >/dev/null 2>&1 && tool=docker || tool=buildah; }
provider=127.0.0.1:18786
gateway=127.0.0.1:18787
config=$(mktemp -d)
containers=() processes=()

clean_up() {
  local process container
  for process in "${processes[@]}"; do kill "$process" 2>/dev/null && wait "$process" || true; done
  for container in "${containers[@]}"; do buildah rm "$container" >/dev/null; done
  rm -rf "$config"
}
trap clean_up EXIT

# Runs an image in the background on the host's network: run IMAGE ARGUMENT...
run() {
  local image=$1 container
  shift
  if [ "$tool" = docker ]; then
    docker run --rm --network host --volume "$config:/etc/anyray:ro" "${prefix}anyray-$image:$tag" "$@" &
  else
    container=$(buildah from --pull-never "${prefix}anyray-$image:$tag")
    containers+=("$container")
    buildah run --user 65532:65532 --volume "$config:/etc/anyray:ro" "$container" -- "/anyray-$image" "$@" &
  fi
  processes+=($!)
}

mkdir "$config/keys"
cat >"$config/gateway.json" <<JSON
{
  "schemaVersion": 1,
  "auth": { "clientKeys": "Optional" },
  "egress": { "allowPrivateAddresses": true },
  "providerKeys": [
    {
      "name": "echo",
      "provider": "openai",
      "credential": { "file": "keys/echo" },
      "endpoint": { "url": "http://$provider/v1", "allowInsecure": true }
    }
  ]
}
JSON
echo not-a-secret >"$config/keys/echo"
chmod -R a+rX "$config"

need curl curl
run fakes echo --listen "$provider"
run gateway --listen "$gateway" --ops-listen 127.0.0.1:18789
answer=$(curl --silent --show-error --fail --retry 30 --retry-connrefused --retry-delay 1 --max-time 60 \
  --json '{"model": "any", "messages": [{"role": "user", "content": "are you there"}]}' \
  "http://$gateway/v1/chat/completions")
case $answer in
  *"echo: are you there"*) echo "images: the gateway's image answered through the fakes' image" ;;
  *)
    echo "images: an answer came, but not the echo: $answer" >&2
    exit 1
    ;;
esac
