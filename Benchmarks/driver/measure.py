"""All rounds of one workload.

The programs are run one after another, and that round is repeated, so that a disturbance does not
fall on one program alone. A run during which foreign processes worked on its CPUs is repeated (up
to RETRY times); the medians are taken over the least disturbed runs.
"""
import os
import re
import statistics
import sys

from machine import DISTURBED
from processes import Failure
from runs import KINDS

ONLY = re.compile(os.environ.get("ONLY", ""))
SIZES = [int(size) for size in os.environ.get("SIZES", "").replace(",", " ").split()]
RETRY = int(os.environ.get("RETRY", "2"))


def check(line, metric, size):
    """The figure of a JSON line; a run that lost requests or did less than asked has none."""
    missing = [name for name in ("n", metric) if not isinstance(line.get(name), (int, float))]
    if missing:
        raise Failure("the JSON line lacks " + ", ".join(missing))
    if size is not None and line["n"] != size:
        raise Failure(f"did n={line['n']} instead of {size}")
    if line.get("errors"):
        raise Failure(f"{line['errors']} errors")
    return line[metric]


class Series:
    """The runs of one program at one size."""

    def __init__(self, workload, program, size):
        rounds = int(os.environ.get("ROUNDS", workload.rounds))
        self.workload, self.program, self.size = workload, program, size
        self.wanted = min(rounds, program.rounds or rounds)
        self.lines, self.failures = [], []

    @property
    def label(self):
        return self.program.peer + (f" n={self.size}" if self.size and self.workload.per_size else "")

    @property
    def given_up(self):
        return len(self.failures) >= 2

    @property
    def quiet(self):
        return sum(line["foreign"] <= DISTURBED for line in self.lines)

    def run(self):
        try:
            line = KINDS[self.workload.kind](self.program, self.size)
            value = check(line, self.workload.metric, self.size)
        except (Failure, OSError) as failure:
            self.failures.append(str(failure))
            print(f"{self.workload.name} {self.label}: FAILED {failure}", file=sys.stderr, flush=True)
            return
        self.lines.append(line)
        print(f"{self.workload.name} {self.label}: {value:.4g} {self.workload.unit}"
              f" (foreign load {line['foreign']:.2f})", file=sys.stderr, flush=True)

    def row(self):
        lines = sorted(self.lines, key=lambda line: line["foreign"])[:self.wanted]
        values = [line[self.workload.metric] for line in lines]
        more = {column: round(statistics.median(line[column] for line in lines), 4)
                for column in self.workload.columns if column in lines[0]}
        return {"workload": self.workload.name, "peer": self.program.peer, "n": lines[0]["n"],
                "median": statistics.median(values), "unit": self.workload.unit, "min": min(values),
                "max": max(values), "values": values, "runs": len(lines), "runs_made": len(self.lines),
                "foreign": round(max(line["foreign"] for line in lines), 3), "more": more,
                "ours": self.program.is_ours, "limit": self.program.limit}


def _chosen(workload):
    """The series to run, and [(peer, why)] of what is missing."""
    series, skipped = [], []
    for program in workload.programs:
        if not ONLY.search(program.peer):
            continue
        why = program.missing()
        if why:
            skipped.append((program.peer, why))
            continue
        sizes = [size for size in program.sizes if not (SIZES and workload.per_size) or size in SIZES]
        series += [Series(workload, program, size) for size in sizes]
    return series, skipped


def measure(workload):
    """Returns the rows of the workload and [(peer, why)] of what did not run."""
    series, skipped = _chosen(workload)
    for turn in range(max((one.wanted for one in series), default=0)):
        for one in series:
            if turn < one.wanted and not one.given_up:
                one.run()
    for _ in range(RETRY):
        for one in series:
            if one.quiet < one.wanted and not one.given_up:
                one.run()
    skipped += [(one.label, one.failures[-1]) for one in series if one.failures and not one.lines]
    return [one.row() for one in series if one.lines], skipped
