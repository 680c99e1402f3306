"""canaryctl starts fast: what is slow to import is imported when it is needed."""

import os
import socket
import subprocess
import sys

import pytest
from click.testing import CliRunner

from canary import __version__
from canary.entrypoints.canaryctl import cli

SLOW = (
    "jinja2",
    "kubernetes",
    "rich",
    "pydantic",
    "requests",
    "urllib3",
    "yaml",
    "structlog",
    "prometheus_client",
)


def loaded_after(arguments):
    """The slow packages that canaryctl has loaded by the time it has answered."""
    program = (
        "import sys\n"
        "from canary.entrypoints.canaryctl import cli\n"
        f"cli({arguments!r}, standalone_mode=False)\n"
        f"print('loaded:', *sorted(set({SLOW!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.rsplit("loaded:", 1)[1].split()


@pytest.mark.parametrize("arguments", [["--help"], ["version"], ["demo", "--help"]])
def test_help_and_version_load_neither_kubernetes_nor_rich(arguments):
    assert loaded_after(arguments) == []


def test_completing_a_command_loads_neither_kubernetes_nor_rich():
    environment = {
        **os.environ,
        "_CANARYCTL_COMPLETE": "bash_complete",
        "COMP_WORDS": "canaryctl st",
        "COMP_CWORD": "1",
    }
    program = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print('loaded:', *sorted(set({SLOW!r}) & set(sys.modules))))\n"
        "from canary.entrypoints.canaryctl import main\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        env=environment,
    )
    assert done.stdout.splitlines() == ["plain,status", "loaded:"]


def test_help_names_every_command_and_every_exit_code():
    text = CliRunner().invoke(cli, ["--help"]).output
    for word in (
        "status",
        "explain",
        "abort",
        "promote",
        "approve",
        "retry",
        "demo",
        "version",
        "completion",
    ):
        assert f"\n  {word} " in text
    for code in range(4):
        assert f"\n    {code}  " in text


@pytest.mark.parametrize("command", ["status", "explain", "abort", "promote", "approve", "retry", "demo"])
def test_every_command_explains_itself(command):
    result = CliRunner().invoke(cli, [command, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: cli {command}")


def test_version_is_a_line_for_people_and_a_document_for_scripts():
    assert CliRunner().invoke(cli, ["version"]).output == f"canaryctl {__version__}\n"
    assert f'"version": "{__version__}"' in CliRunner().invoke(cli, ["version", "-o", "json"]).output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_exist_for_three_shells(shell):
    result = CliRunner().invoke(cli, ["completion", shell])
    assert result.exit_code == 0
    assert "_CANARYCTL_COMPLETE" in result.output


def test_a_wrong_command_line_is_exit_code_2():
    assert CliRunner().invoke(cli, ["stauts"]).exit_code == 2
    assert CliRunner().invoke(cli, ["status", "-o", "xml"]).exit_code == 2


def test_a_missing_sandbox_is_told_with_the_remedy(monkeypatch):
    monkeypatch.setattr("canary.entrypoints.commands.demo.NEEDED", ("envoy", "no_such_module_at_all"))
    result = CliRunner().invoke(cli, ["demo"])
    assert result.exit_code == 1
    assert "the demo needs no_such_module_at_all: pip install '.[sandbox]' in a checkout" in result.stderr


def test_a_kubeconfig_that_does_not_exist_is_one_line_that_says_what_to_do(tmp_path):
    result = CliRunner().invoke(cli, ["status", "--kubeconfig", str(tmp_path / "nowhere")])
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "name a file that does" in result.stderr


def test_a_cluster_that_does_not_answer_is_one_line_that_says_what_to_do(tmp_path):
    file = tmp_path / "kubeconfig"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    # Nobody listens there any more.
    file.write_text(
        f"""
        apiVersion: v1
        kind: Config
        clusters: [{{name: gone, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
        users: [{{name: me, user: {{token: secret}}}}]
        contexts: [{{name: gone, context: {{cluster: gone, user: me}}}}]
        current-context: gone
        """
    )
    result = CliRunner().invoke(cli, ["status", "--kubeconfig", str(file)])
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "--context or --kubeconfig" in result.stderr
    assert "secret" not in result.stderr
