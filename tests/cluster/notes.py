"""What the processes of one run of ``make test-cluster`` note down for its end."""

import json
import os
import secrets
from pathlib import Path
from typing import Any, Final

__all__ = ["DIRECTORY", "note", "notes"]

DIRECTORY: Final = "CANARY_TEST_CLUSTER"
"""The variable that names the run's directory; without it nothing here runs."""


def note(kind: str, content: Any) -> None:
    """Note something that JSON can say."""
    path = Path(os.environ[DIRECTORY]) / f"{kind}-{secrets.token_hex(8)}.json"
    path.write_text(json.dumps(content), encoding="utf-8")


def notes(kind: str) -> list[Any]:
    """All that was noted of a kind."""
    found = sorted(Path(os.environ[DIRECTORY]).glob(f"{kind}-*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in found]
