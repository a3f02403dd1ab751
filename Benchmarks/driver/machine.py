"""What the kernel says: CPUs to pin to, foreign load, CPU time and memory of a process and its children."""
import os
import platform
import re
import subprocess
import time

from programs import PEERS, PYTHON

TICKS = os.sysconf("SC_CLK_TCK")
QUIET = float(os.environ.get("QUIET", "0.05"))  # CPUs' worth of foreign work that still counts as quiet
DISTURBED = 2 * QUIET  # a run with more than this is repeated
PATIENCE = float(os.environ.get("WAIT", "6"))  # seconds to wait for quiet before a run

_allowed = sorted(os.sched_getaffinity(0))
FIRST, SECOND = _allowed[0], _allowed[min(1, len(_allowed) - 1)]


def busy_seconds(cpus):
    """Seconds of work that the given CPUs have done since the machine started."""
    total = 0
    with open("/proc/stat") as file:
        for line in file:
            match = re.match(r"cpu(\d+) (.*)", line)
            if match and int(match.group(1)) in cpus:
                user, nice, system, _, _, interrupts, soft, steal, *_ = map(int, match.group(2).split())
                total += user + nice + system + interrupts + soft + steal
    return total / TICKS


def wait_until_quiet(cpus):
    end = time.time() + PATIENCE
    while time.time() < end:
        before, start = busy_seconds(cpus), time.time()
        time.sleep(0.25)
        if (busy_seconds(cpus) - before) / (time.time() - start) <= QUIET * len(cpus):
            return


def _fields(process):
    """The fields of /proc/PID/stat after the name: state, parent, ...; None when the process is gone."""
    try:
        with open(f"/proc/{process}/stat") as file:
            text = file.read()
        return text[text.rindex(")") + 2:].split()
    except OSError:
        return None


def family(process):
    """The process and all its descendants."""
    children = {}
    for entry in os.listdir("/proc"):
        fields = _fields(entry) if entry.isdigit() else None
        if fields:
            children.setdefault(int(fields[1]), []).append(int(entry))
    found, todo = [], [process]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def cpu_seconds(process):
    """User and system time of the process and its descendants."""
    every = filter(None, map(_fields, family(process)))
    return sum(int(fields[11]) + int(fields[12]) for fields in every) / TICKS


def resident_kilobytes(process, field="VmRSS"):
    try:
        with open(f"/proc/{process}/status") as file:
            return next((int(line.split()[1]) for line in file if line.startswith(field)), 0)
    except OSError:
        return 0


def _first_line(*command):
    try:
        result = subprocess.run(command, capture_output=True, timeout=30, cwd=PEERS)
        return (result.stdout + result.stderr).decode().strip().splitlines()[0]
    except (OSError, IndexError, subprocess.SubprocessError):
        return "absent"


def description():
    """The machine and the tools, as they belong beside every figure."""
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "?")
    found = {
        "machine": f"{len(_allowed)} CPUs, {model}, {platform.system()} {platform.release()}",
        "swift": _first_line("swift", "--version"), "gcc": _first_line("gcc", "--version"),
        "go": _first_line("go", "version"), "rustc": _first_line("rustc", "--version"),
        "python": _first_line(PYTHON, "--version"),
    }
    try:
        with open(os.path.join(PEERS, "Cargo.lock")) as file:
            crates = re.findall(r'name = "(tokio|hyper)"\nversion = "([^"]+)"', file.read())
        found["crates"] = ", ".join(" ".join(crate) for crate in crates)
    except OSError:
        pass
    return found
