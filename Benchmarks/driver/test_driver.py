"""python3 -m unittest discover Benchmarks/driver: the driver's own judgement, without running a peer."""
import dataclasses
import unittest

import bars
from catalogue import WORKLOADS
from measure import check
from processes import Failure, Server, run_to_end
from machine import FIRST
from report import report

SWITCH = WORKLOADS["switch"]


def row(peer, median, size=100, ours=False):
    return {"peer": peer, "n": size, "median": median, "min": median, "max": median, "runs": 1, "foreign": 0.0,
            "more": {}, "ours": ours, "limit": False}


class Bars(unittest.TestCase):
    def verdict(self, *rows):
        found, = bars.verdicts(SWITCH, rows)
        return found.figure, found.word

    def test_a_ratio_at_the_bar_passes_and_above_it_is_missed(self):
        boost = row("boost-fcontext", 10.0)
        self.assertEqual(self.verdict(row("swiftlet", 8.5, ours=True), boost), (0.85, bars.PASS))
        self.assertEqual(self.verdict(row("swiftlet", 8.6, ours=True), boost)[1], bars.MISSED)

    def test_without_the_peer_nothing_is_claimed(self):
        self.assertEqual(self.verdict(row("swiftlet", 1.0, ours=True)), (None, bars.UNKNOWN))

    def test_sizes_are_not_mixed(self):
        rows = [row("swiftlet-fiber", 0.9, 100, ours=True), row("swiftlet-fiber", 0.001, 10_000, ours=True)]
        found = {(one.bar.ours, one.bar.size): one.word for one in bars.verdicts(WORKLOADS["slow_fetch"], rows)}
        self.assertEqual(found["swiftlet-fiber", 100], bars.MISSED)
        self.assertEqual(found["swiftlet-fiber", 10_000], bars.UNKNOWN)  # Go was not measured

    def test_every_bar_names_rows_that_exist(self):
        for bar in bars.BARS:
            programs = {program.peer: program for program in WORKLOADS[bar.workload].programs}
            for peer in filter(None, (bar.ours, bar.peer)):
                self.assertIn(peer, programs)
                self.assertIn(bar.size, (0, *programs[peer].sizes))


class Runs(unittest.TestCase):
    def test_lost_requests_or_too_few_are_no_result(self):
        good = {"n": 10, "value": 1.5, "errors": 0}
        self.assertEqual(check(good, "value", 10), 1.5)
        for bad in ({**good, "errors": 1}, {**good, "n": 9}, {"n": 10}):
            self.assertRaises(Failure, check, bad, "value", 10)

    def test_a_program_that_fails_tells_why(self):
        with self.assertRaisesRegex(Failure, "exit 3: broken"):
            run_to_end(["sh", "-c", "echo broken >&2; exit 3"], [FIRST], 10)
        with self.assertRaisesRegex(Failure, "no output"):
            run_to_end(["true"], [FIRST], 10)
        with self.assertRaisesRegex(Failure, "did not come up: broken"):
            Server(["sh", "-c", "echo broken >&2; exit 3"], [], FIRST).__enter__()


class Report(unittest.TestCase):
    def test_table_has_ratios_verdicts_and_what_did_not_run(self):
        workload = dataclasses.replace(SWITCH, columns=())
        text = report(workload, [row("boost-fcontext", 10.0), row("swiftlet", 4.0, ours=True)], [("greenlet", "gone")])
        lines = [line.replace(" ", "") for line in text.splitlines()]
        self.assertIn("|boost-fcontext|100|10.00|10.00..10.00|0.40|0.00|1|", lines)
        self.assertIn("- pass: swiftlet: 0.400 × boost-fcontext, promised ≤ 0.850 × boost-fcontext", text)
        self.assertNotIn("disturbed", text)
        self.assertIn("- greenlet: gone", text)

    def test_a_verdict_on_disturbed_runs_says_so(self):
        noisy = {**row("boost-fcontext", 10.0), "foreign": 0.5}
        self.assertIn("disturbed", report(SWITCH, [noisy, row("swiftlet", 4.0, ours=True)], []))


if __name__ == "__main__":
    unittest.main()
