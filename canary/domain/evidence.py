"""Evidence: the running state of the sequential tests, folded window by window."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from canary.domain.dispersion import Block
from canary.domain.istio_metrics import SOURCE
from canary.domain.measurement import NOTHING, ArmCounts, Counts, NoData

__all__ = ["Checks", "Evidence", "MixtureState", "SplitDoubt"]


@dataclass(frozen=True, slots=True)
class MixtureState:
    """One test's capital, spread over a grid of bets, in natural logarithms."""

    log_capitals: tuple[float, ...]
    """ln S_j for every grid point j; -inf is written as a very negative number on the wire."""
    reserve: float
    """The part of the initial unit of capital that has not been bet yet (1 - sum of pi so far)."""
    windows: int
    """How many windows have been folded."""


@dataclass(frozen=True, slots=True)
class SplitDoubt:
    """That the canary was seen to get less than its weight."""

    since: float
    """Unix seconds."""
    seen: Counts
    """When it was seen last: all requests, and as ``bad`` those that the canary got."""
    least_share: float
    """What share the canary should have got at least, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Checks:
    """What the checks of one objective by the threshold rule have found in the present step; never none."""

    checked_at: float
    """End of the window of the latest check, Unix seconds: each window is checked at most once."""
    sampled_at: float
    """When the newest sample that it saw was scraped: no sample is checked twice."""
    canary: float
    """The value at the latest check."""
    stable: float | None
    """Stable's at the same time; it decides nothing."""
    taken: int
    failed: int
    in_a_row: int
    """Failed checks up to the latest, without a good one between them."""
    most_in_a_row: int
    failing: float | None
    """The canary's value at the latest failed check; None while none failed."""
    is_silent: bool
    """In the latest window there was no fresh value."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the analysis remembers of a release; small, and saved with it."""

    evaluated_until: float
    """End of the last window folded, Unix seconds: each window is folded at most once."""
    tests: Mapping[str, MixtureState] = field(default_factory=dict)
    """By test name: ``<objective>/slo``, ``<objective>/stable``, ``<objective>/slower``, ``unattributed/slo``
    and, for stable's own health, ``<objective>/stable-slo``."""
    dispersion: Mapping[str, tuple[Block, ...]] = field(default_factory=dict)
    """By objective, or one at a further edge (``latency@100``), or ``unattributed``: what is known of how
    stable's bad requests come."""
    history_until: float | None = None
    """Where the history that it was learned from ends, Unix seconds; None until it was."""
    step_counts: Mapping[str, ArmCounts] = field(default_factory=dict)
    """By objective: counts since the present step began."""
    release_counts: Mapping[str, ArmCounts] = field(default_factory=dict)
    """By objective: counts since the release began."""
    reporter: str = SOURCE
    """Whose count of the requests judged the last window that was folded."""
    step_beside: Mapping[str, ArmCounts] = field(default_factory=dict)
    """By objective: counts since the present step began, by the other reporter where there is one."""
    step_assurance: Mapping[str, MixtureState] = field(default_factory=dict)
    """By objective: the bets of this step that going on is safe; for plans that ask for it."""
    step_checks: Mapping[str, Checks] = field(default_factory=dict)
    """By the name of an objective by the threshold rule: its checks since the present step began."""
    step_edges: Mapping[str, ArmCounts] = field(default_factory=dict)
    """By objective and further edge (``latency@100``), and by latency objective at its bound: counts in the
    windows that were folded since the present step began. To be shown."""
    step_unattributed: Counts = NOTHING
    """All requests, and those that reached no workload, in the windows that were folded since then."""
    split_before: Counts = NOTHING
    """How the requests of the step before were split: all, and as ``bad`` those that the canary got."""
    split_doubt: SplitDoubt | None = None
    """Set while requests do not follow the step's weight."""
    last_canary_request_at: float | None = None
    """End of the last window in which the canary had a request; events of a template are none."""
    no_data: NoData | None = None
    """Set while the latest look brought nothing, or not all; cleared by the next measurement."""
    no_data_since: float | None = None
    """Since when no look has brought everything, Unix seconds; None while they do."""
