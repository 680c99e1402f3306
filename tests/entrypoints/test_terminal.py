"""Colours are for terminals, and only while NO_COLOR is not set."""

import os
import pty
import subprocess
import sys

import pytest

from tests.entrypoints.examples import CONVICTED


def on_a_terminal(arguments, **environment):
    """What canaryctl writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    variables = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    command = [sys.executable, "-m", "canary.entrypoints.canaryctl", *arguments]
    try:
        process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=variables | {"TERM": "xterm-256color", "COLUMNS": "80"} | environment,
        )
    finally:
        os.close(theirs)
    chunks = []
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # Linux says so when the other end has closed.
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(ours)
    assert process.wait(timeout=20) == 0
    return b"".join(chunks).decode()


@pytest.mark.parametrize(("environment", "is_red"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_breach_is_red_on_a_terminal_unless_no_color_is_set(shop, environment, is_red):
    shop.begin(CONVICTED)
    kubeconfig = f"--kubeconfig={shop.server.kubeconfig}"
    text = on_a_terminal([kubeconfig, "status", "myapp", "-n", shop.namespace], **environment)
    assert "20.0 % [11.6, 30.7] (60 of 300)" in text
    assert ("\x1b[31m" in text or "\x1b[1;31m" in text) == is_red
