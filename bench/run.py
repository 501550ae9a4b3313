#!/usr/bin/env python3
"""Runs the scenarios against each peer; report.py prints what came out. See README.md."""
import argparse, json, os, signal, subprocess, sys, time, tomllib, urllib.request
from pathlib import Path

import report
from report import SCEN

B = Path(__file__).resolve().parent
ONCE = {"idle"}  # measured once, in a fresh process of its own: its start is what "idle" means
# Routes by the base URL that the peer has under `bedrock` or `vertex`; boto3 escapes the colon in this way.
BEDROCK, VERTEX = "/model/eu.anthropic.{model}-v1%3A0/", "/v1/projects/bench/locations/europe-west1/publishers/anthropic/models/{model}@20250929:"
CLOUDS = {
    "converse": ("bedrock", BEDROCK + "converse"), "converse-stream": ("bedrock", BEDROCK + "converse-stream"),
    "predict": ("vertex", VERTEX + "rawPredict"), "predict-stream": ("vertex", VERTEX + "streamRawPredict"),
}
BODY = {"converse": "converse", "converse-stream": "converse", "predict": "vertex", "predict-stream": "vertex", "msgs": "anthropic", "wrapped": "anthropic"}


def pin(core, cmd):
    return ["taskset", "-c", str(core), *cmd]


def start(cmd, core, env, cwd, log):
    return subprocess.Popen(pin(core, cmd), env={**os.environ, **env}, cwd=cwd, stdout=log, stderr=log, start_new_session=True)


def stop(p):
    try:
        os.killpg(p.pid, signal.SIGTERM)
        p.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, signal.SIGKILL)
        p.wait()
    except ProcessLookupError:
        pass


def calibrate():
    """Milliseconds that a fixed amount of work takes on the gateway's core: more when the host is busy."""
    loop = "import hashlib, time; b = bytes(1 << 20); t = time.perf_counter(); [hashlib.sha256(b).digest() for _ in range(60)]; print((time.perf_counter() - t) * 1000)"
    return float(subprocess.run(pin(0, [sys.executable, "-c", loop]), check=True, capture_output=True, text=True, timeout=60).stdout)


def probe(peer, route, model, secs, proc):
    """Asks until the route answers 200 with the mock's text; says why not if it never does."""
    end, last = time.time() + secs, ""
    hs = dict(h.split(": ", 1) for h in heads(peer, route))
    body = json.dumps({"model": model, "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}).encode()
    while time.time() < end:
        if proc and proc.poll() is not None:
            return f"ended at start with status {proc.returncode}: see peers.log beside the results"
        try:
            r = urllib.request.Request(peer[route], body, {"content-type": "application/json", **hs})
            text = urllib.request.urlopen(r, timeout=5).read()
            if b"lorem" in text:
                return ""
            last = text[:200]
        except Exception as e:  # not up yet, or an error answer
            last = f"{e} {e.read()[:300] if hasattr(e, 'read') else ''}"
        time.sleep(0.1)
    return f"not ready: {last}"


def heads(peer, route):
    key = "wheaders" if route == "wrapped" else "xheaders" if route != "chat" and "xheaders" in peer else "headers"
    client = peer.get("key", "client-key")
    return peer.get(key, []) + [f"authorization: Bearer {client}", f"x-api-key: {client}"]


def arguments():
    ap = argparse.ArgumentParser()
    ap.add_argument("--peers", default=".", help="folder that holds the installed gateways ($P)")
    ap.add_argument("--bin", default=str(B / "target/release"), help="folder of mock and load")
    ap.add_argument("--gateway", default=str(B.parent / "target/release"), help="folder of anyray-gateway and relay ($G)")
    ap.add_argument("--out", default=str(B / "results/results.jsonl"), help="rows are added to this file")
    ap.add_argument("--only", default="", help="comma list of peers, in the order in which they take turns")
    ap.add_argument("--scen", default=",".join(SCEN))
    ap.add_argument("--reps", type=int, default=3)
    ap.add_argument("--opts", default="", help='further options of load, such as --opts="--secs 1" for a quick look')
    ap.add_argument("--url", help="a gateway that runs already: its base URL")
    ap.add_argument("--pid", type=int, default=0, help="its process id")
    ap.add_argument("--name", default="gateway")
    ap.add_argument("--header", action="append", default=[], help="for --url: a header of every request")
    ap.add_argument("--xheader", action="append", default=[], help="for --url: a header of e, e1, eb (translation)")
    ap.add_argument("--key", default="client-key", help="for --url: the client's API key")
    ap.add_argument("--table", action="store_true", help="run nothing: print the table of --out")
    ap.add_argument("--ratios", action="store_true", help="run nothing: print anyray against nginx, ref-raw and the targets, and the cloud providers")
    ap.add_argument("--report", type=Path, help="write all tables and the machine to this Markdown file, between its bench markers if it has them")
    return ap.parse_args()


def load_peers(a):
    peers = tomllib.loads((B / "peers.toml").read_text())
    if a.url:
        chat, msgs = a.url + "/v1/chat/completions", a.url + "/v1/messages"
        peers = {a.name: {"cmd": [], "chat": chat, "msgs": msgs, "headers": a.header, "key": a.key}}
        if a.xheader:
            peers[a.name] |= {"xlate": chat, "xheaders": a.header + a.xheader}
    names = a.only.split(",") if a.only and not a.url else list(peers)
    unknown = [n for n in names if n not in peers]
    if unknown:
        sys.exit(f"no such peer: {', '.join(unknown)}; peers.toml has {', '.join(peers)}")
    for peer in peers.values():
        peer |= {route: peer[base] + path for route, (base, path) in CLOUDS.items() if base in peer}
    return {n: peers[n] for n in names}


def read_rows(out):
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def main():
    a = arguments()
    # What is started runs in a folder of its own, so that every path must be absolute.
    a.bin = str(Path(a.bin).resolve())
    out = Path(a.out).resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    complete = a.table or a.ratios or run_all(a, out)
    rows = read_rows(out)
    rows, disturbed = report.undisturbed(rows)
    if a.table or not a.ratios:
        print(report.table(rows) + "\n\n" + disturbed)
    if a.ratios or not a.table:
        print(report.ratios(rows) + report.clouds(rows))
    if a.report:
        report.write(a.report, rows, disturbed)
    sys.exit(0 if complete else 1)


def run_all(a, out):
    """Every peer in every repetition; false if one could not be measured."""
    peers = load_peers(a)
    work = out.parent / "work"
    work.mkdir(exist_ok=True)
    scens = a.scen.split(",")
    often, once = [s for s in scens if s not in ONCE], [s for s in scens if s in ONCE]
    # Peers take turns, so that a slow minute of the host hits all of them alike.
    turns = [(n, rep, often) for rep in range(a.reps) for n in peers] + [(n, 0, [s]) for s in once for n in peers]
    good = True
    with open(out.parent / "peers.log", "wb") as log:
        mock = start([a.bin + "/mock", "127.0.0.1:9900"], 1, {}, work, log)
        try:
            for name, rep, todo in turns:
                # A fresh process per turn: start-up state is part of the spread.
                for row in turn(a, name, peers[name], todo, work, log):
                    good &= row is not None
                    if row:
                        row = {"scen": row.pop("scen"), "peer": name, "rep": rep, **row}
                        with open(out, "a") as f:
                            f.write(json.dumps(row) + "\n")
                        print(f"{name:13} {row['scen']:5} rep{rep} rps {row['rps']:.0f} cpu/req {row['cpu_us_req']} util {row['cpu_util']} p50 {row['lat_p50']} p99 {row['lat_p99']} err {row['err']} {row['error']}", file=sys.stderr, flush=True)
        finally:
            stop(mock)
    return good


def turn(a, name, peer, scens, work, log):
    """Starts the peer, measures the scenarios it can do, stops it; yields a row or None for each."""
    if not scens:
        return
    sub = lambda s: s.replace("$P", str(Path(a.peers).resolve())).replace("$B", str(B)).replace("$W", str(work) + "/").replace("$G", str(Path(a.gateway).resolve()))
    cmd, env = [sub(c) for c in peer["cmd"]], {k: sub(v) for k, v in peer.get("env", {}).items()}
    if "prepare" in peer:
        subprocess.run([sub(c) for c in peer["prepare"]], check=True, stdout=log, timeout=120)
    proc = start(cmd, 0, env, work, log) if cmd else None
    try:
        err = probe(peer, "chat", peer.get("model", "") + "mock-r1024", peer.get("wait", 20), proc)
        if err:
            print(name, err, file=sys.stderr)
            yield None
            return
        time.sleep(1)
        for s in scens:
            if SCEN[s][1] in peer:
                before = calibrate()
                row = measure(a, name, peer, s, proc.pid if proc else a.pid)
                yield row and {**row, "calibration_ms": max(before, calibrate())}
                time.sleep(0.5)
    finally:
        if proc:
            stop(proc)


def measure(a, name, peer, s, pid):
    mode, route, model, opts, slow = SCEN[s]
    # A later option overrides an earlier one.
    opts += " " + f"{a.opts} {slow if peer.get('slow') else ''}".strip()
    pre = peer.get("xmodel" if route != "chat" else "model", "")
    if "--model" in opts:
        opts, model = opts.split(" --model ")
    model = pre + model.strip()
    args = [mode, "--url", peer[route].replace("{model}", model), "--model", model, "--pid", str(pid), *opts.split()]
    args += ["--api", BODY.get(route, "openai")]
    if BODY.get(route) == "anthropic":
        args += ["-H", "anthropic-version: 2023-06-01"]
    for h in heads(peer, route):
        args += ["-H", h]
    r = subprocess.run(pin(1, [a.bin + "/load", *args]), capture_output=True, text=True, timeout=180)
    try:
        return {"scen": s, **json.loads(r.stdout)}
    except ValueError:
        print(name, s, "load failed:", r.stderr[-300:], r.stdout[-300:], file=sys.stderr)
        return None


if __name__ == "__main__":
    main()
