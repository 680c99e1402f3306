"""Findings: what linting has to say, one thing each, and how that reads."""

from dataclasses import dataclass
from enum import StrEnum

from canary.domain.errors import Problem
from canary.entrypoints.manifests import Manifest

__all__ = ["Doubt", "Finding", "Severity", "finding"]


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend: where it stands, whose it is, what was found and what would be right."""

    file: str
    line: int
    severity: Severity
    object: str
    """Such as ``Service shop/checkout``; empty for a file as a whole."""
    message: str

    def __str__(self) -> str:
        """One line, as compilers write it."""
        subject = f"{self.object}: " if self.object else ""
        return f"{self.file}:{self.line}: {self.severity}: {subject}{self.message}"


@dataclass(frozen=True, slots=True)
class Doubt:
    """What may be wrong around a service, and where that stands: an object and the line of a part of it."""

    problem: Problem
    item: Manifest
    line: int


def finding(item: Manifest, problem: Problem, line: int, severity: Severity = Severity.ERROR) -> Finding:
    """Return a problem of an object as a finding at a line of its file."""
    return Finding(item.file, line, severity, str(item), str(problem))
