"""The record of a release's decisions: what each step was left on, and what ended the release.

A step's counts begin anew with each step; what it was passed on would be gone without this.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from canary.domain.counterfactual import Limits
from canary.domain.verdict import Verdict

__all__ = ["MOST_RECORDS", "Record", "kept"]

MOST_RECORDS: Final = 12
"""So many are kept with a release, the latest: an object in the cluster has to stay small."""


@dataclass(frozen=True, slots=True)
class Record:
    """One verdict that something was done on."""

    step: int
    """Index into the plan's steps."""
    since: float
    """Where the step's counts begin, Unix seconds."""
    verdict: Verdict
    """Each objective's counts, bound, dispersion and evidence; its ``at`` is where the counts end."""
    limits: Mapping[str, Limits] = field(default_factory=dict)
    """By objective: from which bounds on its counts would not have convicted."""
    queries: Mapping[str, str] = field(default_factory=dict)
    """By metric: the query of one window, for the time at which that ends."""


def kept(records: tuple[Record, ...], record: Record) -> tuple[Record, ...]:
    """Return the records with one more; of the oldest those go that are too many."""
    return (*records, record)[-MOST_RECORDS:]
