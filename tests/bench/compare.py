#!/usr/bin/env python3
"""botwatch beside Prometheus + Alertmanager, measured in one run on one machine.

    tests/bench/compare.py [--minutes 10] [--series 2000] [--rules 80] [--json FILE]

Both scrape the same target (SERIES series, every 5 s) and evaluate the same RULES rules. Measured: time to ready, PSS
and CPU after MINUTES, the time from a breach to the webhook (scrape 1 s, group_wait 0, 20 breaches), and alerts taken
per second over POST /api/v2/alerts. botwatch: BOTWATCH_BIN, else target/release/botwatch. Peers: PROMETHEUS_BIN and
ALERTMANAGER_BIN, else the ones on PATH; one that is missing is reported as "not compared".
"""

import argparse
import concurrent.futures
import contextlib
import http.client
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, body=b"", kind="text/plain; version=0.0.4"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Target:
    """A bot's metrics: counters, slow gauges, full-precision gauges, histogram buckets; and `breach{trial=…}`."""

    def __init__(self, series):
        self.series, self.breaches, self.lock = series, {}, threading.Lock()
        outer = self

        class Handler(Quiet):
            def do_GET(self):
                self.answer(outer.page())

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def page(self):
        now = time.time()
        lines = []
        for i in range(self.series):
            route, kind = i // 4 % 250, i % 4
            if kind == 0:
                lines.append(f'requests_total{{route="/r{route}",n="{i // 1000}"}} {int(now * (1 + i % 7))}')
            elif kind == 1:
                lines.append(f'connections{{route="/r{route}",n="{i // 1000}"}} {int(now / 30) % (5 + i % 11)}')
            elif kind == 2:
                lines.append(f'price{{route="/r{route}",n="{i // 1000}"}} {100 + (now * (i + 1) * 0.37 % 7):.6f}')
            else:
                lines.append(f'latency_bucket{{route="/r{route}",n="{i // 1000}",le="0.5"}} {int(now * 3)}')
        with self.lock:
            lines += [f'breach{{trial="{t}"}} {v}' for t, v in self.breaches.items()]
        return ("\n".join(lines) + "\n").encode()

    def breach(self, trial, value):
        with self.lock:
            self.breaches[trial] = value


class Sink:
    """A webhook receiver that notes when it first heard of each trial."""

    def __init__(self):
        self.heard, self.wake = {}, threading.Condition()
        outer = self

        class Handler(Quiet):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                at = time.monotonic()
                with outer.wake:
                    for alert in body["alerts"]:
                        outer.heard.setdefault((alert["labels"].get("trial"), alert["status"]), at)
                    outer.wake.notify_all()
                self.answer(b"{}", "application/json")

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, trial, seconds=60):
        end = time.monotonic() + seconds
        with self.wake:
            while (trial, "firing") not in self.heard:
                if not self.wake.wait(max(0.0, end - time.monotonic())):
                    raise TimeoutError(f"no webhook for {trial}")
            return self.heard[trial, "firing"]


def rules(count):
    half = count // 2
    recordings = [
        f"  - record: route:rate:r{i}\n    expr: sum by (route) (rate(requests_total{{route=~\"/r{i}.*\"}}[1m]))\n"
        for i in range(half)
    ]
    alerts = [
        f"  - alert: Slow{i}\n    expr: route:rate:r{i} > 1e9 and on (route) price > 1\n    for: 30s\n"
        for i in range(count - half - 1)
    ]
    breach = "  - alert: Breach\n    expr: breach > 0\n    labels: {severity: critical}\n"
    return (
        "groups:\n- name: recordings\n  rules:\n" + "".join(recordings)
        + "- name: alerts\n  rules:\n" + "".join(alerts)
        + "- name: breach\n  rules:\n" + breach
    )


def prometheus_yml(target, interval, alertmanager=None):
    text = (
        f"global: {{scrape_interval: {interval}, scrape_timeout: {interval}, evaluation_interval: {interval}}}\n"
        f"rule_files: [rules.yml]\nscrape_configs:\n- job_name: bot\n  static_configs: [{{targets: ['127.0.0.1:{target}']}}]\n"
    )
    if alertmanager:
        text += f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alertmanager}']}}]}}]}}\n"
    return text


def alertmanager_yml(sink):
    return (
        "route: {receiver: hook, group_by: [alertname, trial], group_wait: 0s, group_interval: 5m, repeat_interval: 4h}\n"
        f"receivers: [{{name: hook, webhook_configs: [{{url: 'http://127.0.0.1:{sink}/'}}]}}]\n"
    )


class Process:
    def __init__(self, arguments, ready_port, ready_path="/-/ready", cwd=None):
        self.log = tempfile.NamedTemporaryFile(delete=False)
        began = time.monotonic()
        self.child = subprocess.Popen(arguments, stdout=self.log, stderr=self.log, cwd=cwd)
        self.ready_seconds = None
        while time.monotonic() - began < 60:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", ready_port, timeout=1)
                connection.request("GET", ready_path)
                if connection.getresponse().status == 200:
                    self.ready_seconds = time.monotonic() - began
                    return
            if self.child.poll() is not None:
                break
            time.sleep(0.002)
        self.stop()
        raise RuntimeError(f"{arguments[0]} did not become ready:\n" + pathlib.Path(self.log.name).read_text()[-3000:])

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_kib(self):
        found = {}
        for line in pathlib.Path(f"/proc/{self.child.pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, value = line.split(":")
            found[name] = int(value.split()[0])
        return found["Pss"], found["Rss"]

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(20)
            except subprocess.TimeoutExpired:
                self.child.kill()


class Botwatch:
    name = "botwatch"

    def __init__(self, binary, folder, target, sink, interval, rule_count):
        folder.mkdir()
        (folder / "rules.yml").write_text(rules(rule_count))
        (folder / "prometheus.yml").write_text(prometheus_yml(target, interval))
        (folder / "alertmanager.yml").write_text(alertmanager_yml(sink))
        # botwatch's own key beside Prometheus' file: rules run when their data has come.
        (folder / "botwatch.yml").write_text("evaluation: on_data\n")
        self.port = free_port()
        files = [str(folder / f) for f in ("prometheus.yml", "alertmanager.yml", "botwatch.yml")]
        self.parts = [
            Process(
                [binary, "run", *files, f"--web.listen-address=127.0.0.1:{self.port}", f"--storage.path={folder / 'data'}"],
                self.port, "/-/healthy",
            )
        ]

    alerts_port = property(lambda self: self.port)


class Peers:
    name = "Prometheus + Alertmanager"

    def __init__(self, binaries, folder, target, sink, interval, rule_count):
        folder.mkdir()
        prometheus, alertmanager = binaries
        self.alerts_port, port = free_port(), free_port()
        (folder / "rules.yml").write_text(rules(rule_count))
        (folder / "prometheus.yml").write_text(prometheus_yml(target, interval, self.alerts_port))
        (folder / "alertmanager.yml").write_text(alertmanager_yml(sink))
        self.parts = [
            Process(
                [alertmanager, f"--config.file={folder}/alertmanager.yml", f"--web.listen-address=127.0.0.1:{self.alerts_port}",
                 f"--storage.path={folder}/am", "--cluster.listen-address="], self.alerts_port),
            Process(
                [prometheus, f"--config.file={folder}/prometheus.yml", f"--web.listen-address=127.0.0.1:{port}",
                 f"--storage.tsdb.path={folder}/tsdb"], port),
        ]


def stop(system):
    for part in reversed(system.parts):
        part.stop()


def steady(make, target, sink, minutes):
    """PSS and CPU of a system that has run for a while."""
    system = make(target.port, sink.port, "5s")
    ready = sum(p.ready_seconds for p in system.parts)
    time.sleep(minutes * 60 / 2)
    began, before = time.monotonic(), sum(p.cpu_seconds() for p in system.parts)
    time.sleep(minutes * 60 / 2)
    cpu = (sum(p.cpu_seconds() for p in system.parts) - before) / (time.monotonic() - began)
    memory = [p.memory_kib() for p in system.parts]
    return system, {
        "ready_ms": round(ready * 1000, 1),
        "pss_mib": round(sum(m[0] for m in memory) / 1024, 1),
        "rss_mib": round(sum(m[1] for m in memory) / 1024, 1),
        "cpu_percent_of_a_core": round(cpu * 100, 2),
    }


def breaches(make, target, sink, label, trials=20):
    """Seconds from a breach at the target to the webhook, at scrape 1 s."""
    system = make(target.port, sink.port, "1s")
    time.sleep(5)
    taken = []
    for i in range(trials):
        # At every phase of the scrape's second.
        time.sleep(1.0 + i / trials)
        trial = f"{label}-{i}"
        began = time.monotonic()
        target.breach(trial, 1)
        taken.append(sink.wait(trial) - began)
        target.breach(trial, 0)
    stop(system)
    return {"median_s": round(statistics.median(taken), 3), "max_s": round(max(taken), 3)}


def intake(port, seconds=10, clients=8, batch=64):
    """Alerts acknowledged a second. Each request has its own alerts."""
    end = time.monotonic() + seconds

    def client(number):
        connection, done, n = http.client.HTTPConnection("127.0.0.1", port, timeout=30), 0, 0
        while time.monotonic() < end:
            alerts = [
                {"labels": {"alertname": "Load", "client": str(number), "n": str((n + i) % 2000), "severity": "none"},
                 "annotations": {"summary": f"value {n}"}}
                for i in range(batch)
            ]
            n += batch
            connection.request("POST", "/api/v2/alerts", json.dumps(alerts), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                done += batch
        return done

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        return round(sum(pool.map(client, range(clients))) / seconds)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--series", type=int, default=2000)
    parser.add_argument("--rules", type=int, default=80)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    binary = os.environ.get("BOTWATCH_BIN", str(ROOT / "target/release/botwatch"))
    peers = [os.environ.get(f"{n.upper()}_BIN") or shutil.which(p) for n, p in (("prometheus", "prometheus"), ("alertmanager", "prometheus-alertmanager"))]
    peers[1] = peers[1] or shutil.which("alertmanager")
    target, sink = Target(arguments.series), Sink()
    found = {"binary_bytes": os.path.getsize(binary), "series": arguments.series, "rules": arguments.rules, "minutes": arguments.minutes}
    with tempfile.TemporaryDirectory() as temporary:
        numbers = iter(range(1000))

        def folder():
            return pathlib.Path(temporary) / str(next(numbers))

        makers = {Botwatch.name: lambda t, s, i: Botwatch(binary, folder(), t, s, i, arguments.rules)}
        if all(peers):
            makers[Peers.name] = lambda t, s, i: Peers(peers, folder(), t, s, i, arguments.rules)
        else:
            print("Prometheus or Alertmanager is not installed: not compared")
        for name, make in makers.items():
            system, figures = steady(make, target, sink, arguments.minutes)
            figures["alerts_per_s"] = intake(system.alerts_port)
            stop(system)
            figures["breach_to_webhook"] = breaches(make, target, sink, name)
            found[name] = figures
            print(name, json.dumps(figures), flush=True)
    print(json.dumps(found, indent=2))
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
