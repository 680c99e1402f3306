"""What can be no name never becomes part of a request, and what is nearly a command is told which."""

import pytest
from click.testing import CliRunner, Result

from canary import __version__
from canary.entrypoints.canaryctl import cli


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--kubeconfig", "/no/such/file", *arguments], catch_exceptions=False)


@pytest.mark.parametrize("namespace", ["a/b", "BAD_ns", "..", "-a", "a\nb"])
def test_a_namespace_that_can_be_none_is_refused(namespace: str) -> None:
    result = run("-n", namespace, "status")
    assert result.exit_code == 2
    assert "the namespace of -n" in result.stderr
    assert "can be no name" in result.stderr


def test_a_command_that_is_nearly_one_is_told_which() -> None:
    result = run("statsu")
    assert result.exit_code == 2
    assert "No such command 'statsu': did you mean 'status'?" in result.stderr
    assert "did you mean" not in run("xyzzy").stderr


def test_the_version_is_an_option_as_well_as_a_command() -> None:
    assert run("--version").stdout == run("version").stdout == f"canaryctl {__version__}\n"
