"""run [workload...]: runs our benchmark program interleaved with its peers. See ../README.md."""
import json
import os
import sys
import time

from bars import MISSED, verdicts
from catalogue import DEFAULT, WORKLOADS
from machine import description
from measure import measure
from programs import RESULTS
from report import report


def main():
    asked = sys.argv[1:] or DEFAULT
    for name in asked:
        if name not in WORKLOADS:
            sys.exit(f"no such workload: {name}; there are: {' '.join(WORKLOADS)}")
    os.makedirs(RESULTS, exist_ok=True)
    about, missed = description(), 0
    for name in asked:
        workload = WORKLOADS[name]
        rows, skipped = measure(workload)
        text = report(workload, rows, skipped)
        print("\n" + text, flush=True)
        missed += sum(verdict.word == MISSED for verdict in verdicts(workload, rows))
        when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        with open(os.path.join(RESULTS, name + ".json"), "w") as file:
            json.dump({"when": when, **about, "rows": rows, "skipped": skipped}, file, indent=1)
        with open(os.path.join(RESULTS, name + ".md"), "w") as file:
            file.write(text + "\n" + "\n".join(f"- {key}: {value}" for key, value in {"when": when, **about}.items()))
    if missed:
        print(f"{missed} bars missed", file=sys.stderr)
    # A busy machine must not break a build: a missed bar is an error only where that is asked for.
    sys.exit(1 if missed and os.environ.get("STRICT") else 0)


main()
