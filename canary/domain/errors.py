"""Errors by whose fault they are: here, only those a person can mend in what they wrote."""

from dataclasses import dataclass

__all__ = ["InvalidPlan", "Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where it stands, what was found, and what would be right."""

    where: str
    found: str
    remedy: str

    def __str__(self) -> str:
        """One sentence for events, logs and terminals."""
        return f"{self.where}: found {self.found}; {self.remedy}"


class InvalidPlan(ValueError):
    """The owner's wishes cannot be understood; nothing is done until they can.

    ``problems`` holds every problem found, not only the first one.
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems
