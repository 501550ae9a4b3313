#!/usr/bin/env bash
# Builds what the bench needs, in release, and runs it:
#   bench.sh report [FILE]   every peer and scenario, tables written to FILE (about 25 minutes)
#   bench.sh clouds [FILE]   its last part alone: Bedrock and Vertex AI by their own paths (about 8 minutes)
#   bench.sh keys            anyray without client keys, with one and with 10,000: a look-up's cost and memory
#   bench.sh count           instructions and system calls per request against counts.json, as CI does;
#                            UPDATE=1 writes that file
. "$(dirname "${BASH_SOURCE[0]}")/../.ci/env.sh"
. images/static.sh

# The binary of the image is what is measured.
gateway=$(dirname "$(static_binary anyray-gateway)")
mode=${1:-report}
report=${2:-bench/results/$mode.md}

# The scenarios of the cloud providers; rows are added to the file that is given.
clouds() {
  python3 bench/run.py --gateway "$gateway" --only direct,nginx,ref-raw,anyray-bearer,anyray-clouds \
    --scen nb,nbb,nc,nv,nvb,nvc,wb,wc --out "$1" --report "$report"
}

built() {
  static_build anyray-gateway relay &&
    { [ "$mode" = count ] ||
      cargo build --quiet --locked --release --manifest-path bench/Cargo.toml --target-dir bench/target; }
}

if [ "$mode" != count ] && [ "$(nproc)" -lt 2 ]; then
  echo "bench: two cores are needed, one for the gateway and one for the load" >&2
  exit 1
fi
need python3 python3
case $mode in
  count) need valgrind valgrind strace strace ;;
  # nginx is a peer; the package's own server is not used.
  *) need nginx nginx taskset util-linux ;;
esac
step "build in release" built

case $mode in
  report)
    rm -f bench/results/results.jsonl
    step "bench" python3 bench/run.py --gateway "$gateway" --only direct,nginx,ref-raw,ref-current,anyray \
      --scen a,a0,a1,b,b1,bm,c,c1,d,idle --report "$report"
    step "bench clouds" clouds bench/results/results.jsonl
    echo "written: $report"
    ;;
  clouds)
    rm -f bench/results/clouds.jsonl
    step "bench clouds" clouds bench/results/clouds.jsonl
    echo "written: $report"
    ;;
  keys)
    rm -f bench/results/keys.jsonl
    step "bench keys" python3 bench/run.py --gateway "$gateway" --only anyray,anyray-key,anyray-keys \
      --scen a,idle --reps 5 --out bench/results/keys.jsonl
    step "bench keys" python3 bench/run.py --only anyray,anyray-key,anyray-keys --out bench/results/keys.jsonl --table
    ;;
  count)
    step "count" python3 bench/count.py "$(static_binary anyray-gateway)" "$(static_binary relay)"
    ;;
  *)
    echo "bench: 'report [FILE]', 'clouds [FILE]', 'keys' or 'count', not '$mode'" >&2
    exit 64
    ;;
esac
