"""Programs that packages put beside this interpreter."""

import sys
from pathlib import Path


def program(name: str) -> str:
    """The path of a program of the virtual environment that the tests run in."""
    path = Path(sys.executable).with_name(name)
    assert path.is_file(), f"{path} is missing: run `make test`, which installs requirements/dev.lock"
    return str(path)
