"""Draws the results of the other benchmarks as SVG files, one for each benchmark that has been run.

    python benchmarks/plots.py

Reads benchmarks/results and writes benchmarks/plots, or the folders that are given.  Needs matplotlib:
`pip install 'twisted-kv[bench]'`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Callable

from harness import FOLDER

try:
    from matplotlib import pyplot
    from matplotlib.axes import Axes
except ImportError:
    sys.exit("matplotlib is not installed, and the plots need it: pip install 'twisted-kv[bench]'")

Row = dict[str, Any]
Tables = dict[str, list[Row]]

COLOURS = {"owncache": "#1f6f8b", "redis": "#b0b0b0", "memcached": "#b0b0b0"}
OTHERS = ("#1f6f8b", "#7fb7c9", "#d98c4a")


def bars(axes: Axes, rows: list[Row], title: str, columns: dict[str, str], unit: str) -> None:
    """Draw groups of bars, with their figures above; `columns` gives a column for each name in the legend."""
    label = next(iter(rows[0]))
    width = 0.8 / len(columns)
    for place, (name, column) in enumerate(columns.items()):
        drawn = axes.bar(
            [number + (place - (len(columns) - 1) / 2) * width for number in range(len(rows))],
            [row[column] or 0 for row in rows],
            width,
            label=name,
            color=COLOURS.get(name, OTHERS[place % len(OTHERS)]),
        )
        axes.bar_label(drawn, labels=[_short(row[column]) for row in rows], fontsize=7)
    axes.set_xticks(range(len(rows)), [str(row[label]) for row in rows], fontsize=8)
    _finish(axes, title, "", unit)


def lines(axes: Axes, rows: list[Row], title: str, columns: dict[str, str], what: str, unit: str) -> None:
    """Draw a line for each column over the first one, which grows by factors."""
    label = next(iter(rows[0]))
    for place, (name, column) in enumerate(columns.items()):
        colour = COLOURS.get(name.split()[0], OTHERS[place % len(OTHERS)])
        style = "--" if name.endswith("SET") else "-"
        points = [row[label] for row in rows], [row[column] for row in rows]
        axes.plot(*points, style, marker="o", color=colour, label=name)
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xticks([row[label] for row in rows], [_short(row[label]) for row in rows])
    axes.set_ylim(bottom=0)
    _finish(axes, title, what, unit)


def _finish(axes: Axes, title: str, what: str, unit: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(what, fontsize=8)
    axes.set_ylabel(unit, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(y=0.25)  # room for the legend
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, frameon=False)


def _short(value: float | None) -> str:
    if value is None:
        return ""
    if value >= 1_000_000:
        return f"{value / 1_000_000:.3g}M"
    return f"{value / 1000:.0f}k" if value >= 10_000 else f"{value:.0f}" if value >= 100 else f"{value:.2g}"


def both(peer: str, what: str) -> dict[str, str]:
    """Give the columns of a peer and of owncache for one quantity."""
    return {peer: f"{peer} {what}", "owncache": f"owncache {what}"}


def servers(tables: Tables) -> None:
    _, grid = pyplot.subplots(2, 2, figsize=(10, 6), width_ratios=(3, 1.4))
    for (above, below), peer, title in zip(grid.T, ("redis", "memcached"), ("TCP", "UDP")):
        bars(above, tables[title], f"{title}: requests per second", both(peer, "req/s"), "more is better")
        bars(below, tables[title], f"{title}: server's CPU a request", both(peer, "CPU us"), "us, less is better")


def in_process(tables: Tables) -> None:
    rows = tables["Calls"][::-1]
    _, axes = pyplot.subplots(figsize=(8, 3))
    drawn = axes.barh([row["call"].strip("`") for row in rows], [row["us"] for row in rows], color=COLOURS["owncache"])
    axes.bar_label(drawn, fmt="%.2f", fontsize=8, padding=2)
    _finish(axes, "Calls in the same process", "us a call, less is better", "")


def connections(tables: Tables) -> None:
    idle, busy = tables
    _, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.5), width_ratios=(1, 1.5))
    columns = {"alone": "CPU us, alone", "beside idle ones": "CPU us, beside idle"}
    bars(left, tables[idle], idle, columns, "CPU us a GET, less is better")
    lines(right, tables[busy], busy, both("redis", "CPU us"), "clients", "CPU us a GET, less is better")


def memory(tables: Tables) -> None:
    [title] = tables
    _, axes = pyplot.subplots(figsize=(6, 3.5))
    bars(axes, tables[title], title, {"redis": "redis", "owncache": "owncache"}, "bytes, less is better")


def growth(tables: Tables) -> None:
    [rows] = tables.values()
    _, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.5))
    costs = {f"{who} {test}": f"{who} {test} CPU us" for who in ("redis", "owncache") for test in ("GET", "SET")}
    lines(left, rows, "Cost as keys grow (P=16)", costs, "keys", "CPU us a request, less is better")
    lines(right, rows, "Longest wait while they are added", both("redis", "longest wait ms"), "keys", "ms")


def latency(tables: Tables) -> None:
    [rows] = tables.values()
    rates = sorted({row["offered req/s"] for row in rows})
    _, grid = pyplot.subplots(1, len(rates), figsize=(10, 3.5), sharey=True)
    for axes, rate in zip(grid, rates):
        for row in rows:
            if row["offered req/s"] == rate:
                points = {name.split()[0]: row[name] for name in row if name.startswith("p")}
                colour = COLOURS[row["server"]]
                axes.plot(list(points), list(points.values()), marker="o", color=colour, label=row["server"])
        axes.set_yscale("log")
        _finish(axes, f"{rate} GETs a second", "", "us, less is better")


def host(tables: Tables) -> None:
    [(title, rows)] = tables.items()
    _, axes = pyplot.subplots(figsize=(8, 3.5))
    columns = {"half are earlier than": "p50 ms", "99 of 100": "p99 ms", "all": "max ms"}
    bars(axes, rows, f"{title}, in a host of the cache", columns, "ms, less is better")


def durability(tables: Tables) -> None:
    """Draw what was measured: one part, or all of them."""
    wanted = (
        ("SET with", "{AOF}, {load}", "req/s", "requests per second, more is better"),
        ("GET while", "{load}", "p99 ms, during", "p99 ms, less is better"),
        ("A snapshot", "{beside}", "MB at most", "MB, less is better"),
        ("Loading", "{file}", "loading s", "seconds, less is better"),
    )
    found = [(title, *how) for title in tables for prefix, *how in wanted if title.startswith(prefix)]
    _, grid = pyplot.subplots(len(found), 1, figsize=(10, 3 * len(found)), squeeze=False)
    for axes, (title, label, column, unit) in zip(grid.flat, found):
        rows: dict[str, Row] = {}
        for row in tables[title]:
            name = label.format_map(row)
            rows.setdefault(name, {"load": name})[row["server"]] = row[column]
        names = [name for name in next(iter(rows.values())) if name != "load"]
        bars(axes, list(rows.values()), f"{title}: {column}", {name: name for name in names}, unit)


def data_types(tables: Tables) -> None:
    _, grid = pyplot.subplots(1, len(tables), figsize=(10, 5), sharey=True)
    for axes, (title, rows) in zip(grid, tables.items()):
        rows = rows[::-1]
        quotients = [row["owncache / redis"] for row in rows]
        drawn = axes.barh([row["load"] for row in rows], quotients, color=COLOURS["owncache"])
        axes.bar_label(drawn, fmt="%.1f", fontsize=8, padding=2)
        _finish(axes, title, "owncache's CPU a request / redis's, less is better", "")


def messages(tables: Tables) -> None:
    _, axes = pyplot.subplots(figsize=(8, 4))
    for title, rows in tables.items():
        rows = rows[::-1]
        drawn = axes.barh(
            [row["load"] for row in rows], [row["owncache / redis"] for row in rows], color=COLOURS["owncache"]
        )
        axes.bar_label(drawn, fmt="%.1f", fontsize=8, padding=2)
        _finish(axes, title, "owncache's CPU a request / redis's, less is better", "")


PLOTS: tuple[Callable[[Tables], None], ...] = (
    servers,
    in_process,
    connections,
    memory,
    growth,
    latency,
    host,
    durability,
    data_types,
    messages,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=FOLDER / "results", metavar="FOLDER")
    parser.add_argument("--plots", type=Path, default=FOLDER / "plots", metavar="FOLDER")
    options = parser.parse_args()
    pyplot.rcParams.update({"svg.hashsalt": "owncache", "font.family": "sans-serif", "svg.fonttype": "none"})
    options.plots.mkdir(parents=True, exist_ok=True)
    for plot in PLOTS:
        name = plot.__name__
        source, target = options.results / f"{name}.json", options.plots / f"{name}.svg"
        if not source.exists():
            print(f"no {source}: run {name}.py first")
            continue
        found = json.loads(source.read_text())
        plot(found["tables"])
        about = found["about"]
        pyplot.figtext(0.99, 0.005, f"{about['date']}, {about['interpreter']}", ha="right", fontsize=6, color="#808080")
        pyplot.tight_layout()
        pyplot.savefig(target, metadata={"Date": None})
        pyplot.close()
        print(target)


if __name__ == "__main__":
    main()
