#!/usr/bin/env python3
"""Counts what a request costs the gateway, and fails if it costs more than it did.

    count.py GATEWAY RELAY   the programs; UPDATE=1 writes what they cost to counts.json

Instructions by callgrind and system calls by strace, per request or chunk, beside the bare relay. This
program is caller and provider at once, and does one thing after the other: it sends the next request,
or the next chunk of a stream, when the one before has arrived. So the counts depend neither on what
else the machine does nor on how fast it is.
"""
import base64, collections, json, os, re, select, signal, socket, struct, subprocess, sys, tempfile, time, zlib
from pathlib import Path

B = Path(__file__).resolve().parent
FIGURES = B / "counts.json"
# More than this, in percent, is a change and no noise: repeated counts differ by less than 0.3.
TOLERANCE = 2
LIMIT = 60  # seconds, for each thing that is waited for
CLIENT_KEY = "ark_000000000000_rFmJNgT64M0w8K1lzzXWTpAIy2H4rQrRQiDWolMn59a0AnyZk"  # typos: ignore
MARK = b"lorem-%06d"


# ---- what is sent ---------------------------------------------------------

def code(size):
    """Text of about `size` bytes with the newlines, tabs and quotes of source code."""
    lines = (f'{i:>6}\tlet value_{i} = table.get("key_{i % 97}").unwrap_or(&default); // step {i % 7}\n' for i in range(size))
    text = ""
    while len(text) < size:
        text += next(lines)
    return text


def chat(size, stream=False):
    body = {"model": "gpt-5", "max_tokens": 1024, "messages": [{"role": "user", "content": code(size)}]}
    return {**body, "stream": True} if stream else body


def claude(size, stream=False):
    return {**chat(size, stream), "model": "claude-sonnet-4-6"}


def request(path, body, *headers):
    body = json.dumps(body).encode()
    head = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", "content-type: application/json", f"content-length: {len(body)}",
            f"authorization: Bearer {CLIENT_KEY}", f"x-api-key: {CLIENT_KEY}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def answer(body):
    body = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_mock\r\ncontent-length: %d\r\n\r\n" % len(body) + body


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def stream_head(kind):
    return b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\nx-request-id: req_mock\r\ntransfer-encoding: chunked\r\n\r\n" % kind


def sse(event):
    return chunk(b"data: " + json.dumps(event).encode() + b"\n\n")


def chat_event(delta, finish=None):
    return sse({"id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 1700000000, "model": "gpt-mock",
                "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def aws_frame(event):
    """A `chunk` of InvokeModelWithResponseStream: https://smithy.io/2.0/aws/amazon-eventstream.html"""
    headers = b""
    for name, value in ((b":event-type", b"chunk"), (b":content-type", b"application/json"), (b":message-type", b"event")):
        headers += bytes([len(name)]) + name + b"\x07" + struct.pack(">H", len(value)) + value
    payload = json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode(), "p": "abcdefgh"}).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    frame = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return chunk(frame + struct.pack(">I", zlib.crc32(frame)))


def claude_answer():
    return answer({"id": "msg_mock", "type": "message", "role": "assistant", "model": "claude-mock", "content": [{"type": "text", "text": code(800)}],
                   "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 100, "output_tokens": 50}})


CHAT_ANSWER = answer({"id": "chatcmpl-mock", "object": "chat.completion", "created": 1700000000, "model": "gpt-mock",
                      "choices": [{"index": 0, "message": {"role": "assistant", "content": code(800)}, "logprobs": None, "finish_reason": "stop"}],
                      "usage": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}})
CONVERSE_ANSWER = answer({"metrics": {"latencyMs": 1}, "output": {"message": {"content": [{"text": code(800)}], "role": "assistant"}},
                          "stopReason": "end_turn", "usage": {"inputTokens": 100, "outputTokens": 50, "totalTokens": 150}})
CHAT_STREAM = {
    "start": stream_head(b"text/event-stream") + chat_event({"role": "assistant", "content": ""}),
    "chunk": lambda i: chat_event({"content": (MARK % i).decode()}),
    "end": chat_event({}, "stop") + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n",
}
CLAUDE_STREAM = {
    "start": stream_head(b"application/vnd.amazon.eventstream")
    + aws_frame({"type": "message_start", "message": {"id": "msg_mock", "type": "message", "role": "assistant", "model": "claude-mock", "content": [],
                                                      "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 100, "output_tokens": 1}}})
    + aws_frame({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    "chunk": lambda i: aws_frame({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": (MARK % i).decode()}}),
    "end": aws_frame({"type": "content_block_stop", "index": 0})
    + aws_frame({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 200}})
    + aws_frame({"type": "message_stop"}) + b"0\r\n\r\n",
}
TO_BEDROCK = ("anthropic-version: 2023-06-01", "x-anyray-provider: bedrock")
CONVERSE = "/model/eu.anthropic.mock-v1%3A0/converse"
# name: (request, answer or stream, how many are a batch, whether the relay can do it)
SCENARIOS = {
    "1 KB": (request("/v1/chat/completions", chat(900)), CHAT_ANSWER, 40, True),
    "200 KB": (request("/v1/chat/completions", chat(190_000)), CHAT_ANSWER, 10, True),
    "a chunk": (request("/v1/chat/completions", chat(900, stream=True)), CHAT_STREAM, 60, True),
    "signed, 1 KB": (request(CONVERSE, {"messages": [{"role": "user", "content": [{"text": code(900)}]}]}), CONVERSE_ANSWER, 30, False),
    "Claude on Bedrock, 1 KB": (request("/v1/messages", claude(900), *TO_BEDROCK), claude_answer(), 30, False),
    "Claude on Bedrock, 200 KB": (request("/v1/messages", claude(190_000), *TO_BEDROCK), claude_answer(), 10, False),
    "Claude on Bedrock, a chunk": (request("/v1/messages", claude(900, stream=True), *TO_BEDROCK), CLAUDE_STREAM, 60, False),
}
WARM_UP = 30
# The least of them counts: now and then a large body arrives in one read more.
BATCHES = 12
# A few system calls more or less in so many requests are such reads, too.
CALLS_SLACK = 0.05


# ---- caller and provider --------------------------------------------------

def listen():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def free_addresses(count):
    """Addresses on which nothing listens; each comes once."""
    taken = [listen() for _ in range(count)]
    found = [listener.getsockname() for listener in taken]
    for listener in taken:
        listener.close()
    return found


def connect(address, process):
    def connected():
        if process.poll() is not None:
            raise ChildProcessError("the program ended before it listened")
        try:
            return socket.create_connection(address, LIMIT)
        except ConnectionRefusedError:
            return None
    connection = wait_until(connected)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # A whole request fits, however slowly the program reads.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    return connection


def message_end(data):
    """Length of the HTTP message at the start, or None while it is not whole."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return None
    fields = data[:head].lower()
    if b"transfer-encoding: chunked" in fields:
        end = data.find(b"0\r\n\r\n", head)
        return None if end < 0 else end + 5
    length = re.search(rb"content-length: (\d+)", fields)
    whole = head + 4 + int(length[1] if length else 0)
    return whole if len(data) >= whole else None


class Ends:
    """The caller's connection to the program, and the program's connections to the provider."""

    def __init__(self, process, address, listener):
        self.caller = connect(address, process)
        self.listener, self.provided = listener, []

    def close(self):
        for connection in (self.caller, *self.provided):
            connection.close()

    def send(self, data):
        """Sends a request; returns the connection on which it has arrived at the provider, whole."""
        pending, arrived = memoryview(data), {}
        while True:
            readable, writable, _ = select.select([self.caller, self.listener, *self.provided], [self.caller] if pending else [], [], LIMIT)
            if not readable and not writable:
                raise TimeoutError("the request did not reach the provider")
            if self.caller in readable:
                raise ValueError(f"not sent to the provider, but answered: {self.caller.recv(1000)!r}")
            if writable:
                pending = pending[self.caller.send(pending):]
            for ready in readable:
                if ready is self.listener:
                    connection, _ = self.listener.accept()
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.provided.append(connection)
                    continue
                got = ready.recv(1 << 20)
                if not got:
                    self.provided.remove(ready)
                    continue
                arrived[ready] = arrived.get(ready, b"") + got
                if message_end(arrived[ready]):
                    return ready

    def receive(self, is_whole):
        data = b""
        while not is_whole(data):
            got = self.caller.recv(1 << 20)
            if not got:
                raise ConnectionError(f"the program hung up after {data[:300]!r}")
            data += got
        return data

    def exchange(self, sent, answered):
        self.send(sent).sendall(answered)
        got = self.receive(message_end)
        if not got.startswith(b"HTTP/1.1 200"):
            raise ValueError(f"not answered with 200: {got[:300]!r}")


def run(ends, scenario, measured):
    """Plays a scenario; each batch of what counts runs within `measured`."""
    sent, answered, count, _ = scenario
    if isinstance(answered, bytes):
        for _ in range(WARM_UP):
            ends.exchange(sent, answered)
        for _ in range(BATCHES):
            with measured:
                for _ in range(count):
                    ends.exchange(sent, answered)
        return
    provider = ends.send(sent)
    provider.sendall(answered["start"])

    def pass_on(numbers):
        for i in numbers:
            provider.sendall(answered["chunk"](i))
            ends.receive(lambda data: MARK % i in data)
    pass_on(range(WARM_UP))
    for batch in range(BATCHES):
        with measured:
            pass_on(range(WARM_UP + batch * count, WARM_UP + (batch + 1) * count))
    provider.sendall(answered["end"])
    ends.receive(lambda data: data.endswith(b"0\r\n\r\n"))


# ---- what counts ----------------------------------------------------------

# Both count the busiest thread, the worker: what the others do now and then depends on time. A
# request that is worked on in another thread as well shows, since it takes a system call to wake it.

class Instructions:
    """Between enter and exit: instructions of the thread that executes most of them."""

    def __init__(self, process, folder):
        self.process, self.folder, self.counts = process, folder, []

    def control(self, flag):
        subprocess.run(["callgrind_control", flag, str(self.process.pid)], check=True, capture_output=True, timeout=LIMIT)

    def dumps(self):
        return set(self.folder.glob("callgrind.out.*"))

    def __enter__(self):
        self.control("--zero")

    def __exit__(self, *_):
        before = self.dumps()
        self.control("--dump")
        new = self.dumps() - before
        self.counts.append(max(int(found[1]) for f in new if (found := re.search(r"^(?:totals|summary): (\d+)", f.read_text(), re.MULTILINE))))


class SystemCalls:
    """Between enter and exit: system calls of the thread that makes most of them."""

    def __init__(self, process, folder):
        self.process, self.log, self.counts = process, folder / "strace", []

    def __enter__(self):
        self.strace = subprocess.Popen(["strace", "-f", "-q", "-o", str(self.log), "-p", str(self.process.pid)], stderr=subprocess.PIPE, text=True)
        try:
            wait_until(self.traces)
        except Exception:
            stop(self.strace)
            raise

    def traces(self):
        """Whether strace is the tracer of every thread."""
        if self.strace.poll() is not None:
            raise ChildProcessError(f"strace ended: {self.strace.stderr.read()}")
        threads = Path(f"/proc/{self.process.pid}/task").iterdir()
        return all(f"TracerPid:\t{self.strace.pid}\n" in (thread / "status").read_text() for thread in threads)

    def __exit__(self, *_):
        self.strace.send_signal(signal.SIGINT)
        self.strace.wait(LIMIT)
        calls = collections.Counter()
        for thread, call in (line.split(maxsplit=1) for line in self.log.read_text().splitlines()):
            calls[thread] += "resumed>" not in call and not call.startswith(("+++", "---", "restart_syscall"))
        self.counts.append(max(calls.values()))


def wait_until(holds):
    """Waits for something that is true, and returns it."""
    end = time.monotonic() + LIMIT
    while not (held := holds()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {LIMIT} s: {holds.__name__}")
        time.sleep(0.01)
    return held


def stop(process):
    process.terminate()
    try:
        process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def measure(command, address, listener, scenarios, counter):
    """Counts per request or chunk for each scenario, in one process; `counter` is one of the classes above."""
    with tempfile.TemporaryDirectory() as name, open(os.devnull, "wb") as null:
        folder = Path(name)
        if counter is Instructions:
            command = ["valgrind", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={folder}/callgrind.out.%p", *command]
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(command, stdout=null, stderr=log)
        try:
            counts = {}
            for scenario in scenarios:
                ends, measured = Ends(process, address, listener), counter(process, folder)
                run(ends, SCENARIOS[scenario], measured)
                ends.close()
                counts[scenario] = min(measured.counts) / SCENARIOS[scenario][2]
            return counts
        except Exception:
            sys.stderr.write((folder / "log").read_text()[-2000:])
            raise
        finally:
            stop(process)


def programs(gateway, relay, upstream, listen, ops, folder):
    """name: (command, scenarios); `upstream`, `listen` and `ops` are addresses as in 127.0.0.1:9900"""
    def anyray(name, auth, *flags):
        subprocess.run([sys.executable, B / "peers/clouds.py", folder / name, "awsKeys", "http://" + upstream], check=True)
        config = json.loads((folder / name / "gateway.json").read_text())
        (folder / name / "gateway.json").write_text(json.dumps({**config, "auth": {"clientKeys": auth}}))
        return [gateway, "--config-dir", str(folder / name), "--listen", listen, "--ops-listen", ops, "--workers", "1", *flags]
    subprocess.run([sys.executable, B / "peers/client_keys.py", folder / "keys", "1"], check=True, capture_output=True)
    return {
        "relay": ([relay, listen, "http://" + upstream, "current"], [name for name, scenario in SCENARIOS.items() if scenario[3]]),
        "no key": (anyray("open", "Optional"), list(SCENARIOS)),
        "client key": (anyray("closed", "Required", "--client-keys-dir", str(folder / "keys")), list(SCENARIOS)),
    }


def count(gateway, relay):
    with tempfile.TemporaryDirectory() as folder, listen() as listener:
        address, ops = free_addresses(2)
        names = (f"{host}:{port}" for host, port in (listener.getsockname(), address, ops))
        counted = {}
        for name, (command, scenarios) in programs(gateway, relay, *names, Path(folder)).items():
            instructions, calls = (measure(command, address, listener, scenarios, counter) for counter in (Instructions, SystemCalls))
            counted[name] = {s: {"instructions": round(instructions[s]), "system calls": round(calls[s], 2)} for s in scenarios}
        return counted


# ---- the gate -------------------------------------------------------------

def circumstances():
    """What moves counts although no code of ours has changed."""
    first_line = lambda *command: subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0]
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {"compiler": first_line("rustc", "--version"), "valgrind": first_line("valgrind", "--version"), "CPU": cpu[1] if cpu else "unknown"}


def percent(now, figure):
    return 100 * (now / figure - 1)


def relay_moved(now, figures, measure):
    """By how many percent the relay's counts have moved, on average."""
    changes = [percent(counts[measure], figures["relay"][scenario][measure]) for scenario, counts in now["relay"].items()]
    return sum(changes) / len(changes)


def compare(now, figures, is_same_place):
    """Lines to print, and whether nothing costs more. In another place, the relay's change is taken off.

    >>> counts = lambda relay, ours: {name: {"1 KB": {"instructions": n, "system calls": 6}} for name, n in (("relay", relay), ("no key", ours))}
    >>> [compare(counts(1000, n), counts(1000, 2000), True)[1] for n in (2030, 2050, 1900)]
    [True, False, True]
    >>> [compare(counts(1100, 2200), counts(1000, 2000), is_same_place)[1] for is_same_place in (True, False)]
    [False, True]
    >>> compare(counts(1000, 2000), {"relay": {}, "no key": {}}, True)
    (['scenarios: those counted are not those of counts.json'], False)
    """
    shape = lambda counts: {name: list(scenarios) for name, scenarios in counts.items()}
    if shape(now) != shape(figures):
        return [f"scenarios: those counted are not those of {FIGURES.name}"], False
    lines, good = [], True
    for measure in ("instructions", "system calls"):
        scale = 1 if is_same_place else 1 + relay_moved(now, figures, measure) / 100
        slack = CALLS_SLACK if measure == "system calls" else 0
        for name, scenarios in now.items():
            for scenario, counts in scenarios.items():
                value, figure = counts[measure], figures[name][scenario][measure] * scale
                change = percent(value, figure)
                is_same = abs(change) <= TOLERANCE or abs(value - figure) <= slack
                verdict = "" if is_same else "MORE" if change > 0 else "less"
                good &= verdict != "MORE"
                lines.append(f"{name:10} {scenario:27} {measure:13} {value:>10g} {figure:>10g} {change:+6.1f} % {verdict}")
    return lines, good


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    place, counted = circumstances(), count(*sys.argv[1:])
    if os.environ.get("UPDATE") == "1":
        FIGURES.write_text(json.dumps({"counted by": place, "counts": counted}, indent=2) + "\n")
        print(f"written: {FIGURES.name}")
        return
    committed = json.loads(FIGURES.read_text())
    is_same_place = place == committed["counted by"]
    if not is_same_place:
        print(f"The figures are of {committed['counted by']}, and this is {place}: they are scaled by what the relay's counts have moved.")
    lines, good = compare(counted, committed["counts"], is_same_place)
    print("program    scenario                    measure            now     figure   change")
    print("\n".join(lines))
    if not good:
        sys.exit("count: a request costs more than it did. Find out why; where it is worth it, write the new figures by"
                 " `UPDATE=1 make count` and say why in the commit.")
    if any(line.endswith("less") for line in lines):
        print("count: some cost less than their figures: `UPDATE=1 make count` keeps it so.")


if __name__ == "__main__":
    main()
