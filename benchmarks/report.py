"""The speed table of README.md and the plots beside it, from the committed results: compare, photo_to_mp4, scale, roofline.

python benchmarks/report.py            prints the table
python benchmarks/report.py --write    rewrites it in README.md, and docs/images/speed.svg (needs matplotlib)
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from machine import REPO, RESULTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

README = REPO / "README.md"
PLOT = REPO / "docs" / "images" / "speed.svg"
BLOCK = re.compile(r"(?<=<!-- benchmarks/report.py -->\n).*?(?=<!-- end -->)", re.DOTALL)
NAMES = {
    "splat_points alpha": "`alpha`",
    "splat_points alpha, kept memory": "`alpha`, into kept memory (`out=`)",
    "splat_points alpha, float16": "`alpha`, float16 features",
    "splat_points surface": "`surface`",
    "splat_points surface, kept memory": "`surface`, into kept memory",
    "splat_points surface, float16": "`surface`, float16 features",
    "plain torch, index_add_": "plain torch: bilinear softmax splat, `index_add_`, no depth order",
    "OpenCV remap, 4 channels": "OpenCV `remap` of 4 channels, which only moves pixels",
}
COMPOSITORS = ("alpha", "surface")
AXES = {"points": "points", "pixels": "pixels, a point each", "channels": "channels"}


def read(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text())


def table(compared: dict[str, Any], videos: list[dict[str, Any]]) -> str:
    """Markdown: splats beside their peers, then each video in a row."""
    columns = compared["comparisons"]
    where = f"{columns[0]['width']}x{columns[0]['height']}, 1.2 M points, {compared['machine']['threads']} threads"
    lines = [f"| `splat_points`, {where} | " + " | ".join(f"C = {c['channels']}" for c in columns) + " |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for name in columns[0]["ms"]:
        cells = (f"{c['ms'][name]:.0f} ms ({c['ms'][name] / c['ms']['splat_points alpha']:.2f})" for c in columns)
        lines.append(f"| {NAMES.get(name, name)} | " + " | ".join(cells) + " |")
    lines += ["", "In brackets: times `alpha`, in the same run.", ""]
    lines += ["| photo to mp4 | preparation | in all | rendering alone | peak memory |", "|---|---|---|---|---|"]
    for v in videos:
        name = f"{v['frames']} frames of {v['width']}x{v['height']}"
        rate = f"{v['rendered_per_s']:.1f} frames/s"
        lines.append(
            f"| {name} | {v['preparation_s']:.1f} s | {v['total_s']:.1f} s | {rate} | {v['peak_bytes'] / 1e9:.2f} GB |"
        )
    return "\n".join(lines) + "\n"


def speed_table() -> str:
    videos = sorted(path.stem for path in RESULTS.glob("photo_to_mp4*.json"))
    return table(read("compare"), [read(name) for name in videos])


def with_table(readme: str, new: str) -> str:
    if len(BLOCK.findall(readme)) != 1:
        raise ValueError("README.md: expected one block between <!-- benchmarks/report.py --> and <!-- end -->")
    return BLOCK.sub(lambda _: new, readme)


# --- plots ------------------------------------------------------------------------------------------------------------


def draw_axis(axes: Axes, rows: list[dict[str, Any]], name: str) -> None:
    """Time against work, with a straight line of linear growth through the last row."""
    for compositor in COMPOSITORS:
        chosen = [row for row in rows if row["axis"] == name and row["compositor"] == compositor]
        axes.loglog([row["work"] for row in chosen], [row["ms"] for row in chosen], "o-", label=compositor)
    work, ms = [row["work"] for row in chosen], chosen[-1]["ms"]
    axes.loglog(work, [ms * w / work[-1] for w in work], "k:", label="linear")
    axes.set_xlabel(AXES[name])
    axes.set_ylabel("ms")
    axes.legend()


def draw_roofline(axes: Axes, roofline: dict[str, Any]) -> None:
    triad, peak = 1e-9 * roofline["triad_bytes_per_s"], 1e-9 * roofline["multiply_add_flop_per_s"]
    corner = peak / triad
    axes.loglog([corner / 30, corner, 3 * corner], [peak / 30, peak, peak], "k", label="triad, matrix product")
    for compositor in COMPOSITORS:
        chosen = [p for p in roofline["points"] if p["op"] == f"splat_points {compositor}"]
        axes.loglog([p["flop_per_byte"] for p in chosen], [p["gflop_per_s"] for p in chosen], "o-", label=compositor)
        if compositor == COMPOSITORS[0]:
            for p in chosen:
                axes.annotate(
                    f"{p['channels']}", (p["flop_per_byte"], p["gflop_per_s"]), textcoords="offset points", xytext=(3, 5)
                )
    axes.set_xlabel("operations per byte; the numbers are channels")
    axes.set_ylabel("GFLOP/s")
    axes.legend()


def plot(rows: list[dict[str, Any]], roofline: dict[str, Any], out: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    # The same bytes for the same numbers, and letters that stay letters.
    mpl.rcParams.update({"svg.hashsalt": "c3drender", "svg.fonttype": "none", "font.size": 9})
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6.5), layout="constrained")
    panels = figure.subplots(2, 2).flatten()
    for axes, name in zip(panels, AXES, strict=False):
        draw_axis(axes, rows, name)
    draw_roofline(panels[-1], roofline)
    for axes in panels:
        axes.grid(alpha=0.3)
    figure.savefig(out, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="into README.md, and the plots")
    args = parser.parse_args()
    if not args.write:
        print(speed_table(), end="")
        return
    README.write_text(with_table(README.read_text(), speed_table()))
    plot(read("scale")["rows"], read("roofline"), PLOT)


if __name__ == "__main__":
    main()
