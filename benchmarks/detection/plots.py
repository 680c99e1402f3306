"""The tables as pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib import rcParams
from matplotlib.figure import Figure

from benchmarks.detection.worlds import Found, Setting

__all__ = ["draw"]

# The same tables make the same bytes.
rcParams["svg.hashsalt"] = "canary"


def draw(
    directory: Path,
    wrong: Mapping[str, Mapping[str, Sequence[int]]],
    runs: int,
    found: Mapping[str, Mapping[Setting, Mapping[str, Sequence[Found | None]]]],
) -> None:
    """Write ``false-rollbacks.svg`` and ``failed-requests.svg``."""
    directory.mkdir(parents=True, exist_ok=True)
    judges = list(next(iter(wrong.values())))
    rolled_back = {
        judge: [100.0 * sum(by_judge[judge]) / runs for by_judge in wrong.values()] for judge in judges
    }
    figure = _bars(rolled_back, list(wrong), "% of healthy releases rolled back in an hour")
    figure.axes[0].axhline(1.0, color="black", linewidth=0.8, linestyle="--")
    figure.savefig(directory / "false-rollbacks.svg", metadata={"Date": None})
    judges = list(next(iter(next(iter(found.values())).values())))
    failed = {judge: [_mean_failed(found[kind], judge) for kind in found] for judge in judges}
    figure = _bars(failed, list(found), "failed canary requests until found (mean, 10 requests/s, 0.5 %)")
    figure.savefig(directory / "failed-requests.svg", metadata={"Date": None})


def _bars(by_judge: Mapping[str, Sequence[float]], places: Sequence[str], label: str) -> Figure:
    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(by_judge)
    for number, (judge, heights) in enumerate(by_judge.items()):
        lefts = [index + number * width for index in range(len(places))]
        # Nothing has no place on a logarithmic scale.
        axes.bar(lefts, [max(height, 0.05) for height in heights], width, label=judge)
    axes.set_yscale("log")
    axes.set_xticks([index + 0.4 for index in range(len(places))], places, rotation=20, ha="right")
    axes.set_ylabel(label)
    axes.legend(fontsize="small", ncols=2)
    return figure


def _mean_failed(cells: Mapping[Setting, Mapping[str, Sequence[Found | None]]], judge: str) -> float:
    hits = [each.failed for each in cells[Setting(100.0, 0.005)][judge] if each is not None]
    return sum(hits) / len(hits) if hits else 0.0
