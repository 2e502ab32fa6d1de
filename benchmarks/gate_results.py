"""What the gates made of the trials of `benchmarks/gates.py`, by the limits as they are now.

    python benchmarks/gate_results.py OUT.csv ... [--figure FIGURE.png] [--motion MOTION.png]

Damage x verdict as Markdown; how far shape and detail part people; motion as it is measured.
"""

import argparse
import csv
from pathlib import Path

import matplotlib as mpl

from service.contracts.report import Flag
from worker.quality_limits import DETAIL, LIMITS, MOTION, SHAPE, SLICE_STEPS

mpl.use("Agg")

Row = dict[str, str]


def main() -> None:
    """Print the table, draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", nargs="+", type=Path)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--motion", type=Path)
    arguments = parser.parse_args()
    rows: list[Row] = []
    for path in arguments.trials:
        with path.open(newline="") as file:
            rows += csv.DictReader(file)
    print(table(rows))
    if arguments.figure is not None:
        draw(rows, arguments.figure)
    if arguments.motion is not None:
        draw_motion(rows, arguments.motion)


def table(rows: list[Row]) -> str:
    """Damage x verdict, and which gates spoke."""
    lines = ["| damage | strength | pairs | trials | green | amber | red | gates that spoke (times red + amber) |"]
    lines.append("| --- | --- | --- | ---: | ---: | ---: | ---: | --- |")
    keys = [(row["damage"], row["strength"], row["source"]) for row in rows]
    for key in dict.fromkeys(keys):
        found = [_flags(row) for row, of in zip(rows, keys, strict=True) if of == key]
        worst = [_worst(flags) for flags in found]
        spoke = []
        for name in dict.fromkeys(name for flags in found for name in flags):
            red, amber = (sum(flags.get(name) is flag for flags in found) for flag in (Flag.RED, Flag.AMBER))
            if red + amber:
                spoke.append((red, amber, f"{name} {red} + {amber}"))
        words = ", ".join(text for _, _, text in sorted(spoke, reverse=True))
        counts = " | ".join(str(worst.count(flag)) for flag in (Flag.GREEN, Flag.AMBER, Flag.RED))
        lines.append(f"| {' | '.join(key)} | {len(found)} | {counts} | {words} |")
    return "\n".join(lines)


def _flags(row: Row) -> dict[str, Flag]:
    if row["error"]:
        return {row["error"]: Flag.RED}
    return {n: limit.judge(float(row[n])).flag for n, limit in LIMITS.items() if row.get(n, "") not in {"", "unknown"}}


def _worst(flags: dict[str, Flag]) -> Flag:
    order = [Flag.GREEN, Flag.AMBER, Flag.RED]
    return max(flags.values(), key=order.index)


def draw(rows: list[Row], path: Path) -> None:
    """Shape against detail: undamaged pairs of one person, pairs of two, and the limits."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(5.2, 3.8), dpi=130)
    kinds = (("none", "one person", "o"), ("motion", "one person, motion", "s"), ("another person", "two people", "x"))
    for damage, label, mark in kinds:
        for source, colour in (("made", "tab:blue"), ("real", "tab:red")):
            found = [row for row in rows if (row["damage"], row["source"]) == (damage, source) and row["brain_shape"]]
            at = [[float(row[name]) for row in found] for name in ("brain_shape", "brain_detail")]
            if found:
                axes.scatter(*at, marker=mark, c=colour, s=24, alpha=0.7, label=f"{label}, {source}")
    for limit, line in ((SHAPE, axes.axvline), (DETAIL, axes.axhline)):
        line(limit.red, color="black", lw=0.8)
        line(limit.amber, color="black", lw=0.8, ls=":")
    axes.set_xlabel("brain_shape (kappa)")
    axes.set_ylabel("brain_detail (correlation)")
    axes.legend(fontsize=7, loc="upper left")
    figure.tight_layout()
    figure.savefig(path)


def draw_motion(rows: list[Row], path: Path) -> None:
    """What both gates of motion read of pairs without and with it, and the limits."""
    from matplotlib import pyplot as plt

    kinds = list(dict.fromkeys((r["damage"], r["strength"]) for r in rows if r["damage"] in {"none", "motion"}))
    figure, axes = plt.subplots(1, 2, figsize=(9.2, 3.6), dpi=130, sharey=True)
    for axis, limit in zip(axes, (MOTION, SLICE_STEPS), strict=True):
        for source, colour, mark, aside in (("made", "tab:blue", "o", -0.12), ("real", "tab:red", "s", 0.12)):
            for place, kind in enumerate(kinds):
                found = [r for r in rows if (r["damage"], r["strength"], r["source"]) == (*kind, source)]
                told = [r for r in found if r.get(limit.name, "") not in {"", "nan", "unknown"}]
                values = [float(r[limit.name]) for r in told]
                label = f"{source} pairs" if place == 0 else None
                axis.scatter(values, [place + aside] * len(values), marker=mark, c=colour, s=18, alpha=0.7, label=label)
        axis.axvline(limit.red, color="black", lw=0.8)
        axis.axvline(limit.amber, color="black", lw=0.8, ls=":")
        axis.set_xscale("log")
        axis.set_xlabel(f"{limit.name}, {limit.unit}")
    axes[0].set_yticks(range(len(kinds)), [strength or damage for damage, strength in kinds])
    axes[0].invert_yaxis()
    axes[1].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    main()
