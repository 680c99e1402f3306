"""The image's one entry point: ``controller``, or ``canaryctl`` with its arguments.

It lies beside the packages, so that ``python -I DIRECTORY`` finds them and nothing else: no variable, no
user's site-packages and no present directory can put other code in their place.
"""

import importlib
import signal
import sys
from typing import NoReturn

PROGRAMS = {
    "controller": ("canary-controller", "canary.entrypoints.controller"),
    "canaryctl": ("canaryctl", "canary.entrypoints.canaryctl"),
}


def leave(number: int, _: object) -> NoReturn:
    """End as whoever does not handle the signal would."""
    sys.exit(128 + number)


def main() -> None:
    """Become the program that the first argument names."""
    # The kernel keeps from process 1 what it has no handler for: told to end while it still imports, it would
    # linger until it is killed. The controller puts its own in the place of this one.
    signal.signal(signal.SIGTERM, leave)
    wanted = sys.argv[1] if len(sys.argv) > 1 else "nothing"
    if wanted not in PROGRAMS:
        sys.exit(f"canary: {wanted} is no program of this image; it has {' and '.join(PROGRAMS)}")
    name, module = PROGRAMS[wanted]
    sys.argv[:2] = [name]
    # Only one of the two is loaded, so that canaryctl starts quickly.
    importlib.import_module(module).main()


if __name__ == "__main__":
    main()
