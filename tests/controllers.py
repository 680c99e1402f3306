"""Controllers as processes whose requests are told from everybody else's, and from each other's."""

import sys

__all__ = ["controller_as", "user_agent"]


def controller_as(name: str) -> tuple[str, ...]:
    """The command of a controller; its version, which it tells with every request, is ``name``."""
    start = (
        f"import canary; canary.__version__ = {name!r}; import canary.entrypoints.controller as it; it.main()"
    )
    return (sys.executable, "-c", start)


def user_agent(name: str) -> str:
    """What that controller calls itself."""
    return f"canary/{name}"
