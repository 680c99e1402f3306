"""A pytest plugin: told to end, however often and by whichever signal, pytest ends once and in good order.

It takes down what its fixtures hold then. Ctrl-C on a terminal tells it twice: itself, and by the runner.
"""

import signal

ENDED = (signal.SIGINT, signal.SIGTERM)


def pytest_configure() -> None:
    for number in ENDED:
        signal.signal(number, _end)


def _end(_number: int, _frame: object) -> None:
    for number in ENDED:
        # Not SIG_IGN, which processes that are started from now on would inherit.
        signal.signal(number, lambda *_: None)
    raise KeyboardInterrupt
