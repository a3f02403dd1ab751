"""What Swiftlet promises against its peers: the one table, and the verdict on a run.

A bar with a peer is a ratio: our median may be at most `limit` times that peer's, taken in the same
interleaved run. A bar without one is a figure in the workload's own unit.
"""
from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    workload: str
    ours: str
    limit: float
    peer: str = ""
    size: int = 0  # 0: whatever size was run


def both(workload, *rest, side=""):
    return tuple(Bar(workload, f"swiftlet-{side}{kind}", *rest) for kind in ("fiber", "task"))


BARS = (
    Bar("switch", "swiftlet", 0.85, "boost-fcontext"),
    Bar("generator", "swiftlet", 1.0, "boost-fcontext"),
    Bar("fiber_yield", "swiftlet", 0.45, "go-gosched"),
    Bar("spawn_join", "swiftlet-fiber", 0.8, "tokio"),
    Bar("spawn_join", "swiftlet-task", 0.7, "swift-task"),
    Bar("gather", "swiftlet", 0.5, "swift-task"),
    Bar("timers", "swiftlet", 150, size=1_000_000),
    Bar("park", "swiftlet", 0.2, "swift-continuation-own-loop"),
    Bar("memory", "swiftlet-fiber", 4700, size=100_000),
    Bar("memory", "swiftlet-task", 1400, size=100_000),
    Bar("memory", "swiftlet-fiber", 4700, size=1_000_000),
    Bar("memory", "swiftlet-task", 1400, size=1_000_000),
    Bar("channel", "swiftlet-fiber", 0.5, "go"),
    Bar("channel", "swiftlet-task", 0.5, "swift-asyncstream"),
    Bar("pool_call", "swiftlet", 40),
    Bar("pool_map", "swiftlet", 0.333, "multiprocessing"),
    Bar("pool_map", "swiftlet-single", 0.05, "aiomultiprocess"),
    Bar("pool_compute", "swiftlet", 0.526),
    Bar("pool_bytes", "swiftlet", 1.0),
    Bar("pool_start", "swiftlet", 50),
    Bar("lock", "swiftlet-lock", 15),
    Bar("lock", "swiftlet-semaphore", 15),
    *both("sleepers", 1.0, "tokio", 100_000),
    Bar("http_server", "swiftlet-fiber", 1.0, "nginx", 64),
    Bar("http_server", "swiftlet-fiber", 1.0, "nginx", 512),
    Bar("http_server", "swiftlet-task", 1.1, "nginx", 64),
    Bar("http_server", "swiftlet-task", 1.1, "nginx", 512),
    *both("tcp_echo", 1.2, "c-epoll", 50),
    *both("tcp_echo", 1.2, "c-epoll", 1000),
    *both("slow_fetch", 0.010, "", 100),
    *both("slow_fetch", 0.8, "go-nethttp", 10_000),
    *both("http_client", 1.0, "hyper"),
    *both("http_tls", 1.0, "nginx"),
    *both("http_idle", 8192),
    *both("http_allocations", 6, side="server-"),
    *both("http_allocations", 6, side="client-"),
)

PASS, MISSED, UNKNOWN = "pass", "MISSED", "not measured"


@dataclass(frozen=True)
class Verdict:
    bar: Bar
    figure: float | None  # a ratio, or a value in the workload's unit
    foreign: float  # load of other processes during the runs it rests on

    @property
    def word(self):
        return UNKNOWN if self.figure is None else PASS if self.figure <= self.bar.limit else MISSED


def verdict(bar, rows):
    peers = [bar.ours, bar.peer] if bar.peer else [bar.ours]
    sides = [next((row for row in rows if row["peer"] == peer and bar.size in (0, row["n"])), None) for peer in peers]
    if None in sides:
        return Verdict(bar, None, 0)
    ours, against = sides[0]["median"], sides[1]["median"] if bar.peer else 1
    return Verdict(bar, ours / against if against > 0 else None, max(side["foreign"] for side in sides))


def verdicts(workload, rows):
    return [verdict(bar, rows) for bar in BARS if bar.workload == workload.name]
