"""What a program and a workload are, and where the programs lie."""
import os
import subprocess
from dataclasses import dataclass

BENCHMARKS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PEERS = os.path.join(BENCHMARKS, "peers")
RESULTS = os.path.join(BENCHMARKS, "results")
PYTHON = os.environ.get("PYTHON", "python3")
OURS = os.path.abspath(
    os.environ.get("SWIFTLET_BENCH") or os.path.join(BENCHMARKS, ".build/release/swiftlet-bench"))


@dataclass(frozen=True)
class Program:
    """One row of a table: a program, the sizes it is run with, and the options that follow the size."""
    peer: str
    command: tuple
    sizes: tuple = (None,)  # None: the program's own default
    options: tuple = ()
    modules: tuple = ()  # Python modules it needs
    rounds: int = 0  # fewer than the workload's, for the slow ones
    limit: bool = False  # not a runtime but what the machine can do

    @property
    def is_ours(self):
        return self.peer.startswith("swiftlet")

    def missing(self):
        """Why the program cannot be run, or None."""
        if self.command[0] == PYTHON:
            return missing_modules(self.modules)
        path = os.path.join(PEERS, self.command[0])
        return None if os.access(path, os.X_OK) else "not built: " + os.path.relpath(path, BENCHMARKS)


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    kind: str  # how a run is made: see runs.py
    programs: tuple
    unit: str
    metric: str = "value"  # the member of the JSON line that is compared; lower is better
    columns: tuple = ()  # further members worth a column
    rounds: int = 5
    per_size: bool = False  # sizes are different experiments; else size only sets the duration


def missing_modules(modules):
    if not modules:
        return None
    try:
        found = subprocess.run([PYTHON, "-c", "import " + ",".join(modules)], capture_output=True)
    except OSError:
        return "no " + PYTHON
    return None if found.returncode == 0 else found.stderr.decode().strip().splitlines()[-1]


def native(peer, name, *sizes, **more):
    """A C, C++ or Go peer."""
    return Program(peer, ("build/bin/" + name,), sizes or (None,), **more)


def rust(peer, name, *sizes, **more):
    return Program(peer, ("build/rust/release/" + name,), sizes or (None,), **more)


def swift(peer, name, *sizes, **more):
    return Program(peer, ("build/swift/release/" + name,), sizes or (None,), **more)


def python(peer, script, *sizes, **more):
    return Program(peer, (PYTHON, script), sizes or (None,), **more)


def pool_peer(peer, workload, *sizes, **more):
    """One of Python's process pools; a program for both."""
    return Program(peer, (PYTHON, "pool/pools.py", workload, peer), sizes, **more)


def ours(peer, workload, *sizes, **more):
    return Program(peer, (OURS, workload), sizes or (None,), **more)


def limit(peer, workload, *sizes):
    """What the machine and the Swift runtime take however it is scheduled: `Limits.swift`."""
    return Program(peer, (OURS, "limit", workload), sizes, limit=True)


def allocations(peer):
    """A row of what `swiftlet-allocations` prints."""
    return Program(peer, (os.path.join(os.path.dirname(OURS), "swiftlet-allocations"),), (10_000,))


def fiber_and_task(workload, *sizes, before=()):
    """Our two rows; `before` are options that precede the word fiber or task."""
    return tuple(ours("swiftlet-" + kind, workload, *sizes, options=(*before, kind)) for kind in ("fiber", "task"))
