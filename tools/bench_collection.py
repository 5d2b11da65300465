"""What collecting data costs a scoring script, and what of it is lost: ours beside the common pattern and others.

    python tools/bench_collection.py [--only PART...] [--rounds 5] [--seconds 10] [--json FILE]

cost       added to run(): each variant and the bare script take turns in one process, so that a machine that is slow
           for a while is slow for both; p50 and p99 of each, the difference, the median of the rounds
sustained  requests a second that one worker collects without loss, up to `--rate`, and its peak memory
faults     rows lost in each kind of trouble, in the middle of steady traffic, and when the process ends
memory     peak memory when the agent is down and the queue is full
http       Microsoft's server with one worker, with and without collection, in turns

A table for each part goes to standard output as it is done, everything as JSON into a file. The agent is a process of
its own, as in Azure; everything else of the machine is shared, so the ratios are worth more than the numbers.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import collection_variants
import psutil
from collection_variants import VARIANTS

from amlready.local.layout import Collection, LocalDeployment, lay_out
from amlready.local.server import Server, hold_ports, wait_until_live

ROOT = Path(__file__).resolve().parent.parent
COLLECTIONS = ("model_inputs", "model_outputs")
BODY = json.dumps({"data": [json.loads((ROOT / "sample-request.json").read_text())["data"][0]]})
HEADERS = {"Content-Type": "application/json", "Accept": "*/*", "Host": "localhost", "X-Ms-Client-Request-Id": ""}
REST = 6.0  # seconds in which the common pattern sends what is left in its queue, lest the next pays for it
TROUBLE = ("slow 0.5", "hang", "500", "reset", "down")

Result = dict[str, Any]


# --- in the child: one worker ----------------------------------------------------------------------------------------


def pace(rate: float, seconds: float) -> Iterator[int]:
    """Numbers, `rate` a second, as evenly as sleeping allows; late ones at once."""
    start = time.perf_counter()
    for number in range(int(rate * seconds)):
        wait = start + number / rate - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        yield number


def child_cost(variant: str, rate: float, seconds: float) -> Result:
    """Turns of the bare script and of a variant; seconds per request of each."""
    scripts = [VARIANTS["bare"](), VARIANTS[variant]()]
    for script in scripts:
        script.init()
        for _ in range(100):
            with suppress(Exception):
                script.run(BODY, HEADERS)
    time.sleep(1.5)
    taken: list[list[float]] = [[], []]
    for number in pace(2 * rate, seconds):
        headers = {**HEADERS, "X-Ms-Client-Request-Id": f"request-{number}"}
        start = time.perf_counter()
        with suppress(Exception):
            scripts[number % 2].run(BODY, headers)
        taken[number % 2].append(time.perf_counter() - start)
    scripts[1].close()
    return {"bare": quantiles(taken[0]), "with": quantiles(taken[1])}


def child_load(variant: str, rate: float, seconds: float) -> Result:
    """Steady traffic; then the process ends as a worker of the server does."""
    script = VARIANTS[variant]()
    script.init()
    before = peak()
    taken, errors = [], 0
    start = time.perf_counter()
    for number in pace(rate, seconds):
        headers = {**HEADERS, "X-Ms-Client-Request-Id": f"request-{number}"}
        begin = time.perf_counter()
        try:
            script.run(BODY, headers)
        except Exception:
            errors += 1
        taken.append(time.perf_counter() - begin)
    lasted = time.perf_counter() - start
    return {
        "requests": len(taken),
        "errors": errors,
        "rate": len(taken) / lasted,
        "mebibytes": peak() - before,
        **quantiles(taken),
    }


def child_thread(variant: str, rate: float, seconds: float) -> Result:
    """The same, but a frame with two columns of one name ends the Collector's sender thread in the middle."""
    import pandas as pd
    from azureml.ai.monitoring import Collector

    def kill() -> None:
        Collector(name="model_inputs").collect(pd.DataFrame([[1, 2]], columns=["a", "a"]))

    timer = threading.Timer(seconds / 3, kill)
    timer.start()
    result = child_load(variant, rate, seconds)
    timer.join()
    return result


def quantiles(taken: list[float]) -> Result:
    """Microseconds."""
    ordered = sorted(taken)
    return {name: 1e6 * ordered[int(len(ordered) * part)] for name, part in (("p50", 0.5), ("p99", 0.99))}


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


CHILDREN: dict[str, Callable[[str, float, float], Result]] = {
    "cost": child_cost,
    "load": child_load,
    "thread": child_thread,
}


# --- the parent: agents and workers ----------------------------------------------------------------------------------


class Agent:
    """An agent in a process of its own: ours, or with `misbehaving` the one that obeys commands."""

    def __init__(self, root: Path, misbehaving: bool = False) -> None:
        self._root = root
        command = [sys.executable, str(ROOT / "tools" / "misbehaving_agent.py")]
        if not misbehaving:
            command = [sys.executable, "-m", "amlready.local.agent", "--endpoint", "endpoint", "--deployment", "blue"]
            command += [f"--collection={name}" for name in COLLECTIONS]
        self._process: subprocess.Popen[str] = subprocess.Popen(
            [*command, "--root", str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=path(),
        )
        self.port = int(self._line())

    def __call__(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        self._line()

    def rows(self) -> int:
        """Rows of outputs that arrived."""
        lines = (line for file in self._root.rglob("model_outputs/**/*.jsonl") for line in file.open())
        return sum(len(json.loads(line)["data"]) for line in lines)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def path() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tools'}"}


@contextmanager
def agent(misbehaving: bool = False) -> Iterator[Agent]:
    with tempfile.TemporaryDirectory() as folder:
        process = Agent(Path(folder), misbehaving)
        try:
            yield process
        finally:
            process.close()


@contextmanager
def worker(
    kind: str, variant: str, rate: float, seconds: float, port: int, more: Mapping[str, str]
) -> Iterator[Callable[[], Result]]:
    """A child at work; the function waits for it and gives its result."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "mdc.json"
        config.write_text(json.dumps({"collections": {name: {"enabled": True} for name in COLLECTIONS}}))
        environment = path() | {
            "AZUREML_MDC_CONFIG_PATH": str(config),
            "AZUREML_MDC_PORT": str(port),
            "AZUREML_MODEL_DIR": str(ROOT / "model"),
            "BENCH_LINES": f"{folder}/lines.jsonl",
            "NO_PROXY": "127.0.0.1",
            **more,
        }
        command = [sys.executable, __file__, "--child", kind, variant, str(rate), str(seconds), f"{folder}/result"]
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

        def result() -> Result:
            if process.wait(timeout=seconds + 300) != 0:
                raise RuntimeError(f"{kind} {variant} failed")
            found: Result = json.loads((Path(folder) / "result").read_text())
            return found

        try:
            yield result
        finally:
            process.kill()
            process.wait()


def once(kind: str, variant: str, rate: float, seconds: float, **more: str) -> Result:
    """One child against an agent that does well: its result, and how many rows arrived."""
    with agent() as sink, worker(kind, variant, rate, seconds, sink.port, more) as result:
        return result() | {"arrived": sink.rows()}


# --- the parts -------------------------------------------------------------------------------------------------------


def cost(options: argparse.Namespace) -> list[Result]:
    rounds: dict[str, list[Result]] = {name: [] for name in options.variants}
    for _ in range(options.rounds):
        for name in options.variants:
            rounds[name].append(once("cost", name, 150, options.seconds))
    return [
        {
            "variant": name,
            "bare p50 µs": median(each["bare"]["p50"] for each in found),
            "added p50 µs": median(each["with"]["p50"] - each["bare"]["p50"] for each in found),
            "bare p99 µs": median(each["bare"]["p99"] for each in found),
            "added p99 µs": median(each["with"]["p99"] - each["bare"]["p99"] for each in found),
        }
        for name, found in rounds.items()
    ]


def sustained(options: argparse.Namespace) -> list[Result]:
    """Up the ladder until more is lost than what waits when the process ends, or a request fails."""
    results = []
    for name in options.variants:
        for rate in sorted({150, 300, 600, 1200, options.rate}):
            found = once("load", name, rate, options.seconds if rate < options.rate else options.long)
            # What logs to a file of its own has nothing to lose on the way.
            lost = 0 if name in ("bare", "lines", "bentoml") else found["requests"] - found["arrived"]
            results.append(
                {
                    "variant": name,
                    "asked req/s": rate,
                    "had req/s": found["rate"],
                    "requests": found["requests"],
                    "failed": found["errors"],
                    "lost": lost,
                    "MiB more": found["mebibytes"],
                }
            )
            if lost > found["requests"] / 100 or found["errors"]:
                break
    return results


def faults(options: argparse.Namespace) -> list[Result]:
    """100 requests a second; a third of the time all is well, a third there is trouble, a third all is well again. Only
    before the process ends there are 300, which is more than the common pattern can send."""
    results = []
    variants = [name for name in ("ours", "common") if name in options.variants]
    for trouble in (*TROUBLE, "thread dies", "process ends"):
        for name in variants:
            found = one_fault(name, trouble, options.fault_seconds)
            results.append(
                {
                    "trouble": trouble,
                    "variant": name,
                    "requests": found["requests"],
                    "failed": found["errors"],
                    "lost": found["requests"] - found["arrived"],
                }
            )
    return results


def one_fault(name: str, trouble: str, seconds: float) -> Result:
    kind = "thread" if trouble == "thread dies" else "load"
    rate = 300 if trouble == "process ends" else 100
    with agent(misbehaving=True) as sink, worker(kind, name, rate, seconds, sink.port, {}) as result:
        deadline = time.monotonic() + 60
        while not sink.rows() and time.monotonic() < deadline:
            time.sleep(0.1)
        if trouble in TROUBLE:
            time.sleep(seconds / 3)
            sink(trouble)
            time.sleep(seconds / 3)
            sink("ok")
        found = result()
        time.sleep(1)
        return found | {"arrived": sink.rows()}


def memory(options: argparse.Namespace) -> list[Result]:
    """The agent refuses, the queue fills, requests go on: twice as many as fit."""
    results = []
    for limit in (10_000_000, options.queue):
        settings = {"COLLECTION_QUEUE_BYTES": str(limit), "COLLECTION_GRACE_SECONDS": "0"}
        with worker("load", "ours", 1e9, limit / 400 / 1e9, 1, settings) as result:
            found = result()
        results.append(
            {
                "COLLECTION_QUEUE_BYTES": limit,
                "requests": found["requests"],
                "MiB more": found["mebibytes"],
                "failed": found["errors"],
            }
        )
    return results


def http_part(options: argparse.Namespace) -> list[Result]:
    """Two servers; one client that asks them in turns, one request after the other and then several at once."""
    with tempfile.TemporaryDirectory() as folder, agent() as sink, ExitStack() as held:
        servers = {
            name: serve(name, Path(folder) / name, sink.port, held)
            for name in ("bare", "ours", "common")
            if name in ("bare", *options.variants)
        }
        try:
            wait_until_live(list(servers.values()), 120, threading.Event())
            return [each for clients in (1, 8) for each in turns(servers, clients, options)]
        finally:
            for server in servers.values():
                server.stop()


def serve(variant: str, folder: Path, port: int, held: ExitStack) -> Server:
    folder.mkdir()
    script = folder / "entry.py"
    script.write_text(
        f"import sys\nsys.path.append({str(ROOT / 'tools')!r})\nfrom collection_variants import VARIANTS\n"
        f"script = VARIANTS[{variant!r}]()\ndef init(): script.init()\n"
        "def run(data, request_headers): return script.run(data, request_headers)\n"
    )
    collections = tuple(map(Collection, COLLECTIONS))
    deployment = LocalDeployment("endpoint", "blue", script, model=ROOT / "model", collections=collections)
    container = lay_out(deployment, folder / "container", ("127.0.0.1", port))
    server = Server(variant, container, hold_ports(0, 1, held)[0], folder / "server.log")
    server.start()
    return server


def turns(servers: Mapping[str, Server], clients: int, options: argparse.Namespace) -> list[Result]:
    rounds: dict[str, list[Result]] = {name: [] for name in servers}
    order = list(servers)
    for _ in range(options.rounds + 1):
        order.reverse()
        for name in order:
            before = cpu(servers[name])
            found = ask(servers[name].port, clients, options.turn)
            rounds[name].append(found | {"cpu": (cpu(servers[name]) - before) / (found["rate"] * options.turn)})
            if name == "common":
                time.sleep(REST)
    kept = {name: found[1:] for name, found in rounds.items()}  # the first warms up
    bare = median(each["rate"] for each in kept["bare"])
    return [
        {
            "variant": name,
            "clients": clients,
            "req/s": median(each["rate"] for each in found),
            "x bare": median(each["rate"] / base["rate"] for each, base in zip(found, kept["bare"], strict=True))
            if bare
            else 0,
            "CPU µs": 1e6 * median(each["cpu"] for each in found),
            "x bare CPU": median(each["cpu"] / base["cpu"] for each, base in zip(found, kept["bare"], strict=True)),
            "p50 ms": median(each["p50"] / 1000 for each in found),
            "p99 ms": median(each["p99"] / 1000 for each in found),
            "failed": sum(each["failed"] for each in found),
        }
        for name, found in kept.items()
    ]


def cpu(server: Server) -> float:
    """Seconds of processor time that the server's processes have taken: what a request costs on a machine that others
    slow down, too."""
    family = psutil.Process(server.pid).children(recursive=True)
    return float(sum(sum(process.cpu_times()[:2]) for process in family))


def ask(port: int, clients: int, seconds: float) -> Result:
    """Each client asks, waits and asks again."""
    taken: list[float] = []
    failed = 0
    end = time.perf_counter() + seconds

    def client() -> None:
        nonlocal failed
        number = 0
        while time.perf_counter() < end:
            number += 1
            start = time.perf_counter()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            headers = {"Content-Type": "application/json", "x-ms-client-request-id": f"request-{number}"}
            connection.request("POST", "/score", BODY, headers)
            answer = connection.getresponse()
            answer.read()
            connection.close()
            failed += answer.status != 200
            taken.append(time.perf_counter() - start)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"rate": len(taken) / seconds, "failed": failed, **quantiles(taken)}


PARTS: dict[str, Callable[[argparse.Namespace], list[Result]]] = {
    "cost": cost,
    "sustained": sustained,
    "faults": faults,
    "memory": memory,
    "http": http_part,
}


def median(values: Iterator[float]) -> float:
    return statistics.median(values)


def table(rows: Sequence[Result]) -> str:
    """As Markdown."""
    cells = [[*rows[0]], *([shown(value) for value in row.values()] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(cells[0]))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def shown(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.2f}" if abs(value) < 10 else f"{value:,.0f}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=collection_variants.installed())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10, help="of each run")
    parser.add_argument("--rate", type=int, default=3000, help="the highest, in requests a second")
    parser.add_argument("--long", type=float, default=60, help="seconds at the highest rate")
    parser.add_argument("--fault-seconds", type=float, default=12)
    parser.add_argument("--queue", type=int, default=100_000_000, help="bytes, of the memory part")
    parser.add_argument("--turn", type=float, default=4, help="seconds of a turn of the http part")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        kind, variant, rate, seconds, result = options.child
        Path(result).write_text(json.dumps(CHILDREN[kind](variant, float(rate), float(seconds))))
        return 0
    results: Result = {}
    for name in options.only:
        results[name] = PARTS[name](options)
        print(f"\n{name}\n\n{table(results[name])}", flush=True)
        if options.json:
            options.json.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
