"""One run of one program, for each kind of workload. A run is (program, size) -> its JSON line.

Programs that need no other run on the first CPU; what is about several CPUs at once has both.
Servers are pinned to the first CPU and their load to the second; for the HTTP clients it is the
other way round.
"""
import json
import os
import subprocess
import sys
import time

from machine import FIRST, SECOND, busy_seconds, cpu_seconds, family, resident_kilobytes, wait_until_quiet
from processes import Failure, Server, make_certificate, run_to_end
from programs import PEERS

LOAD_SECONDS = 3
SETTLE_SECONDS = 12  # a server may give memory of idle connections back only now and then
HTTP_CONCURRENCY = 100


class Stopwatch:
    """Tells what processes other than ours used of the CPUs meanwhile, in CPUs."""

    def __init__(self, cpus):
        self.cpus, self.busy, self.start = cpus, busy_seconds(cpus), time.time()

    def wall(self):
        return time.time() - self.start

    def foreign(self, own_seconds):
        return max(0.0, (busy_seconds(self.cpus) - self.busy - own_seconds) / self.wall())


def _by_itself(program, size, cpus):
    wait_until_quiet(cpus)
    watch = Stopwatch(cpus)
    arguments = [] if size is None else [size]
    line, cpu, _ = run_to_end([*program.command, *arguments, *program.options], cpus, 120)
    return {**line, "foreign": watch.foreign(cpu)}


def alone(program, size):
    return _by_itself(program, size, [FIRST])


def both_cpus(program, size):
    return _by_itself(program, size, [FIRST, SECOND])


def allocations(program, size):
    wait_until_quiet([FIRST])
    watch = Stopwatch([FIRST])
    line, cpu, _ = run_to_end([*program.command, size], [FIRST], 120, peer=program.peer)
    return {**line, "foreign": watch.foreign(cpu)}


def _served(program, size, load):
    """Runs `load(server)` against the program as a server; adds its CPU time to the line."""
    cpus = [FIRST, SECOND]
    wait_until_quiet(cpus)
    with Server(program.command, program.options, FIRST) as server:
        watch, before = Stopwatch(cpus), cpu_seconds(server.pid)
        line, cpu, _ = load(server)
        used = cpu_seconds(server.pid) - before
        line.setdefault("server_cpu", used / watch.wall())
        line.setdefault("server_us_per_req", used * 1e6 / max(1, line.get("requests", 0)))
        return {**line, "foreign": watch.foreign(cpu + used)}


def echo_server(program, size):
    def load(server):
        command = ["build/bin/loadgen", server.port, size, LOAD_SECONDS, program.peer, server.pid]
        return run_to_end(command, [SECOND], 60)
    return _served(program, size, load)


def http_server(program, size):
    def load(server):
        command = ["wrk", "-t1", f"-c{size}", f"-d{LOAD_SECONDS}s", "-s", "http_server/report.lua",
                   f"http://127.0.0.1:{server.port}/"]
        return run_to_end(command, [SECOND], 60, dict(os.environ, PEER=program.peer, CONNS=str(size)))
    return _served(program, size, load)


def https_server(program, size):
    def load(server):
        command = ["wrk", "-t1", f"-c{size}", f"-d{LOAD_SECONDS}s", "-s", "http_server/report.lua",
                   f"https://127.0.0.1:{server.port}/"]
        return run_to_end(command, [SECOND], 60, dict(os.environ, PEER=program.peer, CONNS=str(size)))
    make_certificate()
    return _served(program, size, load)


def idle_server(program, size):
    """Resident memory of a connection that has been served and waits for another request."""
    with Server(program.command, program.options, FIRST) as server:
        watch = Stopwatch([FIRST, SECOND])

        def resident():
            return sum(map(resident_kilobytes, family(server.pid))) * 1024

        def served(count):
            client = subprocess.Popen([sys.executable, "http_server/idle.py", str(server.port), str(count)], cwd=PEERS,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            if client.stdout.readline() != "ready\n":
                raise Failure("the connections were not served")
            return client

        few = served(100)
        before = resident()
        many = served(size)
        time.sleep(SETTLE_SECONDS)
        value = (resident() - before) / size
        for client in (few, many):
            client.communicate("")
        return {"workload": "http_idle", "peer": program.peer, "n": size, "value": value, "unit": "B/connection",
                "foreign": watch.foreign(0)}


def _fetched(program, arguments, server_command, client_cpus):
    """Runs the program as a client of the given server."""
    cpus = [FIRST, SECOND]
    wait_until_quiet(cpus)
    with Server(server_command, [], SECOND) as server:
        watch, before = Stopwatch(cpus), cpu_seconds(server.pid)
        command = [*program.command, server.port, *arguments, *program.options]
        line, cpu, peak = run_to_end(command, client_cpus, 180, watch=True)
        foreign = watch.foreign(cpu + cpu_seconds(server.pid) - before)
    return {**line, "cpu_total_s": cpu, "peak_rss_mb": peak, "foreign": foreign}, server.output


def http_client(program, size):
    line, _ = _fetched(program, [size, HTTP_CONCURRENCY], ["build/bin/http-epoll"], [FIRST])
    return line


def slow_fetch(program, size):
    line, seen = _fetched(program, [size], ["build/bin/slow-server"], [FIRST, SECOND])
    try:
        return {**line, **{key: json.loads(seen)[key] for key in ("max_concurrent", "max_late_ms")}}
    except (ValueError, KeyError):
        raise Failure("the slow server gave no account") from None


KINDS = {run.__name__: run for run in (
    alone, both_cpus, allocations, echo_server, http_server, https_server, idle_server, http_client, slow_fetch)}
