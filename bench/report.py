"""What the rows of a run say: the table, ratios against the targets, the Markdown report."""
import os, platform, statistics, subprocess
from pathlib import Path

# name: (load mode, route, model, options for fast peers, options for slow peers)
SCEN = {
    "a":    ("closed", "chat", "mock-r1024", "--conns 32 --secs 3", "--warm 4"),
    "a0":   ("closed", "chat", "mock-r1024", "--conns 1 --secs 3", ""),
    "a1":   ("open", "chat", "mock-r1024", "--conns 16 --rate 100 --secs 4", "--rate 25 --secs 6"),
    "b":    ("closed", "chat", "mock-r2048", "--conns 16 --secs 3 --req-bytes 200000", "--warm 2"),
    "b1":   ("open", "chat", "mock-r2048", "--conns 16 --rate 40 --secs 4 --req-bytes 200000", "--rate 10 --secs 6"),
    "bm":   ("closed", "msgs", "mock-r2048", "--conns 16 --secs 3 --req-bytes 200000", "--warm 2"),
    "c":    ("closed", "chat", "mock-c200", "--conns 16 --secs 3 --stream --expect 200", "--warm 2 --secs 5"),
    "c1":   ("streams", "chat", "mock-c100-i20", "--conns 25 --ramp 0.5 --expect 100", ""),
    "d":    ("streams", "chat", "mock-c25-i200", "--conns 500 --ramp 2 --expect 25", ""),
    "idle": ("streams", "chat", "mock-c2-i6000", "--conns 1000 --ramp 3 --expect 2", "--ramp 14 --model mock-c2-i20000"),
    "e":    ("closed", "xlate", "mock-c200", "--conns 16 --secs 3 --stream --expect 200", "--warm 2 --secs 5"),
    "e1":   ("closed", "xlate", "mock-r1024", "--conns 32 --secs 3", "--warm 2"),
    "eb":   ("closed", "xlate", "mock-r2048", "--conns 16 --secs 3 --req-bytes 200000", "--warm 2"),
    "nb":   ("closed", "converse", "mock-r1024", "--conns 32 --secs 3", "--warm 4"),
    "nbb":  ("closed", "converse", "mock-r2048", "--conns 16 --secs 3 --req-bytes 200000", "--warm 2"),
    "nc":   ("closed", "converse-stream", "mock-c200", "--conns 16 --secs 3 --stream --expect 200", "--warm 2 --secs 5"),
    "nv":   ("closed", "predict", "mock-r1024", "--conns 32 --secs 3", "--warm 4"),
    "nvb":  ("closed", "predict", "mock-r2048", "--conns 16 --secs 3 --req-bytes 200000", "--warm 2"),
    "nvc":  ("closed", "predict-stream", "mock-c200", "--conns 16 --secs 3 --stream --expect 200", "--warm 2 --secs 5"),
    "wb":   ("closed", "wrapped", "mock-r2048", "--conns 16 --secs 3 --req-bytes 200000", "--warm 2"),
    "wc":   ("closed", "wrapped", "mock-c200", "--conns 16 --secs 3 --stream --expect 200", "--warm 2 --secs 5"),
}
HELD_STREAMS = 1000  # of scenario idle
US = "anyray"
# The same with keys for the cloud providers: one that signs for Bedrock, and a bearer key in its place.
SIGNS, BEARS = "anyray-clouds", "anyray-bearer"

# (what, scenario, measure, (factor, peer, plus)): anyray may need `factor` times the peer's figure plus `plus`.
TARGETS = [
    ("1 KB, CPU us/request", "a", "cpu_us_req", (1.5, "nginx", 0)),
    ("200 KB chat, CPU us/request", "b", "cpu_us_req", (1.5, "nginx", 0)),
    ("200 KB messages, CPU us/request", "bm", "cpu_us_req", (1.5, "nginx", 0)),
    ("200-chunk streams, CPU us/chunk", "c", "cpu_us_chunk", (1.3, "ref-raw", 0)),
    ("500 paced streams, CPU us/chunk", "d", "cpu_us_chunk", (1.3, "ref-raw", 0)),
    ("one connection, p50 us", "a0", "lat_p50", (1, "nginx", 30)),
    ("one connection, p99 us", "a0", "lat_p99", (1, "nginx", 100)),
    ("first SSE byte, p50 us", "c1", "ttfb_p50", (1, "nginx", 100)),
    ("RSS idle, MB", "idle", "rss0_mb", (0, None, 20)),
    ("RSS per held stream, KB", "idle", "held_kb", (1.2, "ref-raw", 0)),
]
# (what, scenario, measure, scenario of the peers that pass it through).
CLOUDS = [
    ("Converse, 1 KB, CPU us/request", "nb", "cpu_us_req", "nb"),
    ("Converse, 200 KB, CPU us/request", "nbb", "cpu_us_req", "nbb"),
    ("ConverseStream, 200 chunks, CPU us/chunk", "nc", "cpu_us_chunk", "nc"),
    ("Vertex rawPredict, 1 KB, CPU us/request", "nv", "cpu_us_req", "nv"),
    ("Vertex rawPredict, 200 KB, CPU us/request", "nvb", "cpu_us_req", "nvb"),
    ("Vertex streamRawPredict, 200 chunks, CPU us/chunk", "nvc", "cpu_us_chunk", "nvc"),
    ("messages to Bedrock, 200 KB, CPU us/request", "wb", "cpu_us_req", "nvb"),
    ("messages to Bedrock, 200 chunks, CPU us/chunk", "wc", "cpu_us_chunk", "nvc"),
]
# (what, scenario, measure): shown less what `direct` needs.
ADDED = [
    ("1 KB, one connection", "a0", "lat"),
    ("1 KB, open loop 100/s", "a1", "lat"),
    ("200 KB, open loop 40/s", "b1", "lat"),
    ("first SSE byte, 25 streams", "c1", "ttfb"),
    ("chunk, 500 streams", "d", "delay"),
]


def table(rows):
    med = lambda v: f"{statistics.median(v):.8g}" + (f" ({min(v):.8g}-{max(v):.8g})" if len(v) > 1 else "")
    by = {}
    for r in rows:
        by.setdefault((r["scen"], r["peer"]), []).append(r)
    out, prev = [], None
    for (s, p), v in sorted(by.items(), key=lambda kv: (list(SCEN).index(kv[0][0]), kv[0][1] != "direct")):
        if s != prev:
            out.append(f"\n### {s}: {SCEN[s][0]} {SCEN[s][1]} {v[0]['model']} {SCEN[s][3]}\n")
            out.append("| peer | req/s | CPU us/req | CPU us/chunk | util | lat p50 us | lat p99 us | ttfb p50 us | delay p50/p99 us | idle RSS MB | held RSS MB | peak RSS MB | errors |")
            out.append("|---" * 13 + "|")
            prev = s
        g = lambda k, d=1.0, n=1: med([round(x[k] / d, n) for x in v])
        out.append(f"| {p} | {g('rps')} | {g('cpu_us_req')} | {g('cpu_us_chunk', 1, 2)} | {g('cpu_util', 1, 2)} | {g('lat_p50')} | {g('lat_p99')} | {g('ttfb_p50')} | {g('delay_p50')} / {g('delay_p99')} | {g('rss0_kb', 1024)} | {g('held_rss_kb', 1024)} | {g('hwm_kb', 1024)} | {sum(x['err'] for x in v)} |")
    return "\n".join(out)


# A repetition counts where the fixed work beside it took at most this many times its best time of the run.
CALIBRATION = 1.15


def undisturbed(rows):
    """The rows during which the host had nothing else to do, and a sentence about the others.

    Where all repetitions of a scenario of a peer were disturbed, the least disturbed one stays; so
    does one with errors, which are never dropped.
    """
    # Rows of other files may have none.
    calibration = lambda r: r.get("calibration_ms", 0)
    best = min(map(calibration, rows), default=0)
    kept = {}
    for r in rows:
        kept.setdefault((r["scen"], r["peer"]), []).append(r)
    is_kept = lambda r: calibration(r) <= CALIBRATION * best or r["err"]
    chosen = [r for group in kept.values() for r in (list(filter(is_kept, group)) or [min(group, key=calibration)])]
    return chosen, f"Repetitions dropped as disturbed: {len(rows) - len(chosen)} of {len(rows)}; fixed work beside them took over {CALIBRATION:g} times the {best:.0f} ms of its best."


def values(rows, scen, peer, measure):
    derived = {
        "rss0_mb": lambda r: r["rss0_kb"] / 1024,
        "held_kb": lambda r: (r["held_rss_kb"] - r["rss0_kb"]) / HELD_STREAMS,
    }
    of = derived.get(measure, lambda r: r[measure])
    return [of(r) for r in rows if r["scen"] == scen and r["peer"] == peer]


def peers_of(rows, without=()):
    order = ["direct", "nginx", "ref-raw", "ref-current", US]
    seen = {r["peer"] for r in rows} - set(without)
    return sorted(seen, key=lambda p: (order.index(p) if p in order else len(order), p))


def ratios(rows):
    """Medians side by side; ratios of minima and of medians; what each target allows and whether it is met."""
    rows = [r for r in rows if r["scen"] not in {scen for _, scen, _, _ in CLOUDS}]
    if not any(r["peer"] == US for r in rows):
        return ""
    peers = peers_of(rows, {"direct"})
    out = ["\n### Against the targets\n",
           f"| what (scenario) | {' | '.join(peers)} | {US}/nginx | {US}/ref-raw | target | met |", "|---" * (len(peers) + 5) + "|"]
    for what, scen, measure, (factor, base, plus) in TARGETS:
        got = {p: values(rows, scen, p, measure) for p in peers}
        if not got[US]:
            continue
        cells = [f"{statistics.median(v):.4g}" if v else "" for v in got.values()]
        least = min(got[US])
        both = [f"{least / min(v):.2f} ({statistics.median(got[US]) / statistics.median(v):.2f})" if v else "" for v in (got.get("nginx"), got.get("ref-raw"))]
        scaled = base if factor == 1 else f"{factor:g} x {base}"
        target = " + ".join(([scaled] if base else []) + ([f"{plus:g}"] if plus else []))
        if base and not got.get(base):
            met = ""
        else:
            allowed = factor * min(got[base]) + plus if base else plus
            met = "yes" if least <= allowed else f"no: {least:.4g}, allowed {allowed:.4g}"
        out.append(f"| {what} ({scen}) | {' | '.join(cells)} | {' | '.join(both)} | <= {target} | {met} |")
    wrong = sum(r["err"] for r in rows if r["peer"] == US)
    out.append(f"\nPeers: medians of the repetitions. Ratios: of the minima, which decide, with those of the medians in brackets. Errors and lost streams of {US}: {wrong}.")
    return "\n".join(out) + "\n" + added(rows)


def added(rows):
    """Latency on top of a direct connection to the mock."""
    peers = peers_of(rows, {"direct"})
    out = ["\n### Added latency, p50 / p99 us\n", f"| what (scenario) | {' | '.join(peers)} |", "|---" * (len(peers) + 1) + "|"]
    for what, scen, measure in ADDED:
        cells = []
        for p in peers:
            pair = [values(rows, scen, who, f"{measure}_{q}") for who in ("direct", p) for q in ("p50", "p99")]
            m = [statistics.median(v) for v in pair if v]
            cells.append(f"{m[2] - m[0]:.0f} / {m[3] - m[1]:.0f}" if len(m) == 4 else "")
        if any(cells):
            out.append(f"| {what} ({scen}) | {' | '.join(cells)} |")
    return "\n".join(out)


def clouds(rows):
    """The cloud providers' own paths, and Anthropic's to Bedrock: beside what passes bytes through, and what signing adds."""
    scens = {scen for _, scen, _, _ in CLOUDS}
    rows = [r for r in rows if r["scen"] in scens]
    if not any(r["peer"] == SIGNS for r in rows):
        return ""
    peers = ["nginx", "ref-raw", BEARS, SIGNS]
    out = ["\n### Native Bedrock and Vertex AI\n",
           f"| what (scenario) | {' | '.join(peers)} | {SIGNS}/nginx | {SIGNS}/ref-raw | signing, us |", "|---" * (len(peers) + 4) + "|"]
    for what, scen, measure, passed in CLOUDS:
        got = {p: values(rows, scen if p in (BEARS, SIGNS) else passed, p, measure) for p in peers}
        if not got[SIGNS]:
            continue
        cells = [f"{statistics.median(v):.4g}" if v else "" for v in got.values()]
        least = min(got[SIGNS])
        both = [f"{least / min(v):.2f} ({statistics.median(got[SIGNS]) / statistics.median(v):.2f})" if v else "" for v in (got["nginx"], got["ref-raw"])]
        signing = f"{least - min(got[BEARS]):+.1f}" if got[BEARS] and measure == "cpu_us_req" else ""
        out.append(f"| {what} ({scen}) | {' | '.join(cells)} | {' | '.join(both)} | {signing} |")
    wrong = sum(r["err"] for r in rows if r["peer"] in (BEARS, SIGNS))
    out.append(f"\nPeers: medians of the repetitions. Ratios: of the minima, with those of the medians in brackets. {SIGNS} signs what goes to Bedrock, {BEARS} has a bearer key in its place; signing: the one less the other, of the minima, and in it that a body must be held to be signed. For wb and wc nginx and ref-raw have the figures of nvb and nvc: the same body, and the same events, passed through. Errors of {SIGNS} and {BEARS}: {wrong}.")
    return "\n".join(out) + "\n"


def machine():
    def ask(*cmd):
        try:
            return subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout.strip()
        except OSError:
            return f"no {cmd[0]}"

    cpu = next((l.split(":")[1].strip() for l in Path("/proc/cpuinfo").read_text().splitlines() if l.startswith("model name")), platform.machine())
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return "\n".join([
        f"- Machine: {os.cpu_count()} cores ({cpu}), {gib:.0f} GiB, Linux {platform.release()}.",
        f"- Programs: {ask('nginx', '-v').removeprefix('nginx version: ')}, {ask('rustc', '--version')}.",
        "- Gateway under test on core 0 with one worker, mock upstream and load on core 1, loopback, plain HTTP.",
        "- A fresh process per repetition, peers take turns.",
    ])


BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def write(path, rows, disturbed):
    """Replaces what stands between the markers, or the whole file if it has none."""
    text = f"{BEGIN}\n{machine()}\n- {disturbed}\n{ratios(rows)}\n{clouds(rows)}\n{table(rows)}\n{END}"
    old = path.read_text() if path.exists() else ""
    if BEGIN in old and END in old:
        text = old[:old.index(BEGIN)] + text + old[old.index(END) + len(END):]
    else:
        text += "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
