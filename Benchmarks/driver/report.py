"""The table of a workload: medians, ratios of ours to each peer, and the verdict on the bars."""
from bars import verdicts
from machine import DISTURBED

TITLES = {"value": "req/s"}  # of the columns whose JSON name says too little


def number(value):
    if value is None:
        return ""
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    digits = 1 if size >= 100 else 2 if size >= 10 else 3
    return f"{value:.{digits}f}" if value else "0"


def _aligned(header, lines):
    """A Markdown table whose columns also line up in a terminal; the first is left-aligned."""
    widths = [max(len(line[column]) for line in [header, *lines]) for column in range(len(header))]

    def row(cells):
        cells = [cell.rjust(width) if column else cell.ljust(width)
                 for column, (cell, width) in enumerate(zip(cells, widths))]
        return "| " + " | ".join(cells) + " |"

    rule = ["-" * (width + 1) + (":" if column else "-") for column, width in enumerate(widths)]
    return [row(header), "|" + "|".join(rule) + "|", *map(row, lines)]


def _ratio(mine, row, per_size):
    mine = [other for other in mine if not per_size or other["n"] == row["n"]]
    # a negative or zero time (less than the server's own delay) has no meaningful ratio
    if not mine or row["median"] <= 0:
        return ""
    return f"{mine[0]['median'] / row['median']:.2f}"


def table(workload, rows):
    rows = sorted(rows, key=lambda row: (row["n"] if workload.per_size else 0, row["median"]))
    names = sorted({row["peer"] for row in rows if row["ours"]})
    columns = [name for name in workload.columns if any(name in row["more"] for row in rows)]
    header = ["peer", "n", workload.unit, "min..max", *(name.removeprefix("swiftlet-") + " ÷ it" for name in names),
              *(TITLES.get(name, name) for name in columns), "foreign", "runs"]
    lines = []
    for row in rows:
        ratios = [_ratio([other for other in rows if other["peer"] == name], row, workload.per_size)
                  for name in names]
        lines.append([
            row["peer"] + (" (limit)" if row["limit"] else ""), f"{row['n']:,}", number(row["median"]),
            number(row["min"]) + ".." + number(row["max"]), *ratios,
            *(number(row["more"].get(name)) for name in columns), f"{row['foreign']:.2f}", str(row["runs"])])
    return _aligned(header, lines)


def judgement(workload, rows):
    lines = []
    for found in verdicts(workload, rows):
        bar = found.bar
        size = f" n={bar.size:,}" if bar.size else ""
        unit = f" × {bar.peer}" if bar.peer else " " + workload.unit
        doubt = "; disturbed by other processes, run again" if found.foreign > DISTURBED else ""
        lines.append(f"{found.word}: {bar.ours}{size}: {number(found.figure) or '?'}{unit},"
                     f" promised ≤ {number(bar.limit)}{unit}{doubt}")
    return lines


def report(workload, rows, skipped):
    parts = [f"## {workload.name}: {workload.title}", "", *table(workload, rows)]
    bars = judgement(workload, rows)
    if bars:
        parts += ["", *("- " + line for line in bars)]
    if skipped:
        parts += ["", "Not run:", "", *(f"- {peer}: {why}" for peer, why in skipped)]
    return "\n".join(parts) + "\n"
