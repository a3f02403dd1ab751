"""Starting the programs: one that runs to its end, and a server that is stopped."""
import json
import os
import signal
import socket
import subprocess
import threading
import time

from machine import family, resident_kilobytes
from programs import PEERS


class Failure(Exception):
    """A program that did not give its JSON line."""


def _start(command, cpus, **more):
    pinned = ["taskset", "-c", ",".join(map(str, cpus)), *map(str, command)]
    return subprocess.Popen(pinned, cwd=PEERS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


def _watch_memory(process, peak, stop):
    while not stop.wait(0.1):
        now = sum(map(resident_kilobytes, family(process)))
        peak[0] = max(peak[0], now, resident_kilobytes(process, "VmHWM"))


def run_to_end(command, cpus, seconds, environment=None, watch=False, peer=None):
    """Runs a program; returns its JSON line (the first, or that of a peer), its CPU seconds and, when watched, its peak memory in MB."""
    program = _start(command, cpus, env=environment)
    peak, stop, errors = [0], threading.Event(), []
    watcher = threading.Thread(target=_watch_memory, args=(program.pid, peak, stop))
    reader = threading.Thread(target=lambda: errors.append(program.stderr.read()))
    timer = threading.Timer(seconds, program.kill)
    for thread in (watcher, reader, timer) if watch else (reader, timer):
        thread.start()
    output = program.stdout.read()
    reader.join()
    _, status, usage = os.wait4(program.pid, 0)
    program.returncode = os.waitstatus_to_exitcode(status)
    timer.cancel()
    if watch:
        stop.set()
        watcher.join()
    program.stdout.close()
    program.stderr.close()
    lines = output.decode(errors="replace").splitlines()
    found = (json.loads(line) for line in lines if line.startswith("{"))
    found = next((line for line in found if peer in (None, line.get("peer"))), None)
    if program.returncode or not found:
        said = errors[0].decode(errors="replace").strip().splitlines()
        raise Failure(f"exit {program.returncode}: {said[-1] if said else 'no output'}")
    return found, usage.ru_utime + usage.ru_stime, peak[0] / 1000


def make_certificate():
    """build/certificate.pem, with its key, for the TLS servers."""
    path = os.path.join(PEERS, "build", "certificate.pem")
    if not os.path.exists(path):
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                   "-days", "30", "-subj", "/CN=localhost", "-keyout", path + ".key", "-out", path]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Failure(f"no certificate: {error}") from None
        with open(path, "a") as file, open(path + ".key") as key:
            file.write(key.read())


_next_port = 21000 + os.getpid() % 4000


def _free_port():
    global _next_port
    while True:
        _next_port += 1
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", _next_port))
                return _next_port
            except OSError:
                continue


class Server:
    """COMMAND PORT OPTIONS, pinned; used with `with`. What it printed is in `output` afterwards."""

    def __init__(self, command, options, cpu):
        self.port, self.output = _free_port(), ""
        self.process = _start([*command, self.port, *options], [cpu])

    @property
    def pid(self):
        return self.process.pid

    def __enter__(self):
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                time.sleep(0.1)  # let it see the probe's end before anything is measured
                return self
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        self.process.kill()
        said = self.process.communicate()[1].decode(errors="replace").strip().splitlines()
        raise Failure("server did not come up: " + (said[-1] if said else f"exit {self.process.returncode}"))

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            output, _ = self.process.communicate(timeout=3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            output, _ = self.process.communicate()
        self.output = output.decode(errors="replace")
