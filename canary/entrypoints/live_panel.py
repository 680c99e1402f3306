"""The live view drawn for a terminal; readable without colours, too."""

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from canary.domain.release import Phase
from canary.domain.verdict import Outcome
from canary.entrypoints.live_view import (
    LiveView,
    StepState,
    marked_steps,
    next_in_words,
    staleness,
    weight_in_words,
)
from canary.entrypoints.rendering import printable

__all__ = ["live_body", "live_panel"]

BAR_CELLS = 22
NEAR_PERCENT = 50

_PHASE_STYLES = {
    Phase.SUCCEEDED: "bold green",
    Phase.PROMOTING: "green",
    Phase.ROLLING_BACK: "bold red",
    Phase.ROLLED_BACK: "bold red",
    Phase.HELD: "yellow",
    Phase.PROGRESSING: "cyan",
}
_STEP_STYLES = {StepState.DONE: "green", StepState.PRESENT: "bold", StepState.COMING: "dim"}
_OUTCOME_STYLES = {Outcome.PASS: "green", Outcome.HOLD: "yellow", Outcome.FAIL: "bold red"}


def live_panel(view: LiveView) -> RenderableType:
    """Return the view in a frame, for a screen that is drawn again and again."""
    title = Text.assemble((view.title, "bold"), "  ", (view.release, "dim"))
    return Panel(live_body(view), title=title, title_align="left", box=box.ROUNDED, padding=(0, 1))


def live_body(view: LiveView) -> RenderableType:
    """Return the view without a frame."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("phase", _phase(view))
    facts.add_row("steps", _steps(view))
    facts.add_row("weight", _weights(view))
    if view.evidence_percent is not None:
        facts.add_row("evidence", _evidence(view.evidence_percent))
    if view.sentence:
        facts.add_row("verdict", Text(printable(view.sentence), style=_sentence_style(view)))
    facts.add_row("next", Text(next_in_words(view.next)))
    age = staleness(view)
    if age:
        facts.add_row("data", Text(age, style="bold red" if view.is_stale else "dim"))
    parts: list[RenderableType] = [facts]
    if view.objectives:
        parts += [Text(""), _objectives(view)]
    if view.thresholds:
        parts += [Text(""), _thresholds(view)]
    return Group(*parts)


def _phase(view: LiveView) -> Text:
    stage = f" ({view.stage.value})" if view.stage is not None else ""
    return Text(view.phase.value + stage, style=_PHASE_STYLES.get(view.phase, ""))


def _sentence_style(view: LiveView) -> str:
    if view.phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK}:
        return "bold red"
    return _OUTCOME_STYLES[view.outcome] if view.outcome is not None else ""


def _steps(view: LiveView) -> Text:
    """As in ``10 % ✓ ─ [50 %] ─ 100 %``."""
    text = Text()
    for state, mark in marked_steps(view):
        if text:
            text.append(" ─ ", style="dim")
        text.append(mark, style=_STEP_STYLES[state])
    return text


def _weights(view: LiveView) -> Text:
    differs = view.actual_weight is not None and view.actual_weight != view.wanted_weight
    return Text(weight_in_words(view), style="bold yellow" if differs else "")


def _evidence(reached: int) -> Text:
    filled = BAR_CELLS * reached // 100
    style = "bold red" if reached >= 100 else "yellow" if reached >= NEAR_PERCENT else "green"
    return Text.assemble(
        ("█" * filled, style),
        ("░" * (BAR_CELLS - filled), "dim"),
        (f" {reached} %", style),
        (" of the way to a rollback (log scale)", "dim"),
    )


def _objectives(view: LiveView) -> Table:
    """Two lines for each objective, canary above stable; the numbers never fold, the words may."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("OBJECTIVE", overflow="fold")
    for name in ("", "BAD", "EVIDENCE"):
        table.add_column(name, no_wrap=True)
    for item in view.objectives:
        table.add_row(
            f"{item.subject},\n{item.allowed}",
            "canary\nstable",
            Text.assemble((str(item.canary), "red" if item.is_over else ""), f"\n{item.stable}"),
            f"bound {item.bound_evidence_percent} %\nstable {item.stable_evidence_percent} %",
        )
    return table


def _thresholds(view: LiveView) -> Table:
    """As the other objectives, in a table of its own: here are values and checks, and no evidence."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("BY THE THRESHOLD RULE", overflow="fold")
    for name in ("", "VALUE"):
        table.add_column(name, no_wrap=True)
    table.add_column("CHECKS", overflow="fold")
    for item in view.thresholds:
        table.add_row(
            f"{item.name},\n{item.allowed}",
            "canary\nstable",
            Text.assemble((item.canary_value, "red" if item.is_over else ""), f"\n{item.stable_value}"),
            item.checks,
        )
    return table
