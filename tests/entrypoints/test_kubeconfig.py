"""What is wrong with a kubeconfig is one line: the file, what was found and what would be right."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from canary.entrypoints.canaryctl import cli

EXEC = {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "IfAvailable"}
RIGHT = "name a kubeconfig: a YAML mapping with clusters, contexts and users"


def status(*arguments: str, **environment: str) -> Result:
    variables = {"KUBECONFIG": "", **environment}
    return CliRunner().invoke(cli, ["status", *arguments], env=variables, catch_exceptions=False)


def refusal(file: Path, *arguments: str) -> str:
    result = status("--kubeconfig", str(file), *arguments)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert "sesame" not in line
    return line.removeprefix("canaryctl: ").replace(str(file), "FILE")


def written(file: Path, **parts: Any) -> Path:
    """A kubeconfig, all right but for ``parts``; nobody listens where it leads."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}", **parts.get("cluster", {})}}
        ],
        "users": [{"name": "u", "user": parts.get("user", {"token": "sesame"})}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", **parts.get("context", {})}}],
        "current-context": "x",
        **parts.get("top", {}),
    }
    file.write_text(yaml.safe_dump(document))
    return file


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello", f"kubeconfig FILE: found a text; {RIGHT}"),
        (b"[1]", f"kubeconfig FILE: found a list; {RIGHT}"),
        (b"", f"kubeconfig FILE: found nothing; {RIGHT}"),
        (b"apiVersion: v1\nkind: Service", f"kubeconfig FILE: found an object of kind Service; {RIGHT}"),
        (b"a:\nb: c: d", f"kubeconfig FILE: found something that is not YAML in line 2; {RIGHT}"),
        (b"\xff\xfe\xff", f"kubeconfig FILE: found something that is not YAML; {RIGHT}"),
        (b"clusters: sesame", "kubeconfig FILE: clusters: found a text; write a list"),
        (b"users: [sesame]", "kubeconfig FILE: users[0]: found a text; write a mapping with name and user"),
        (
            b"users: [{user: {token: sesame}}]",
            "kubeconfig FILE: users[0]: found no name; write a mapping with",
        ),
        (
            b"users: [{name: a, user: sesame}]",
            "kubeconfig FILE: users[0].user: found a text; write a mapping",
        ),
        (b"contexts: []", "kubeconfig FILE: found no current-context; name a context; it has none"),
    ],
)
def test_what_is_no_kubeconfig_is_told_to_be_none(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "config").write_bytes(content)
    assert refusal(tmp_path / "config").startswith(message)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"context": {"cluster": "gone"}},
            "found cluster gone, which is not there; name one of the clusters: it has c",
        ),
        (
            {"context": {"user": "gone"}},
            "found user gone, which is not there; name one of the users: it has u",
        ),
        (
            {"top": {"current-context": "gone"}},
            "found no context gone; name another; it has x",
        ),
        (
            {"cluster": {"certificate-authority": "missing.crt"}},
            'cluster c: certificate-authority: found "missing.crt", where there is no file; write',
        ),
        (
            {"user": {"client-certificate": "/missing.crt", "client-key": "/missing.key"}},
            'user u: client-certificate: found "/missing.crt", where there is no file; write',
        ),
        (
            {"user": {"tokenFile": "missing"}},
            'user u: tokenFile: found "missing", where there is no file; write the path of one, or t',
        ),
        (
            {"cluster": {"certificate-authority-data": "%%"}},
            "cluster c: certificate-authority-data: found what is not base64; write",
        ),
        (
            {"cluster": {"server": "here"}},
            "cluster c: server: found what is no URL; write its URL",
        ),
        (
            {"user": {"exec": {**EXEC, "command": "no-such-plugin"}}},
            'user u: exec.command: found "no-such-plugin", which is not installed; install it, or',
        ),
        (
            {"user": {"exec": {**EXEC, "command": "no-such-plugin", "installHint": "brew install\nit"}}},
            'user u: exec.command: found "no-such-plugin", which is not installed; brew install it',
        ),
        (
            {"user": {"exec": {**EXEC, "command": "false"}}},
            "context x of kubeconfig FILE: its plugin gave no credentials: exec: process returned 1",
        ),
        (
            {"user": {"auth-provider": {"name": "gcp"}}},
            "user u: auth-provider: found one without",
        ),
    ],
)
def test_what_a_context_needs_and_lacks_is_told(tmp_path: Path, parts: dict[str, Any], message: str) -> None:
    line = refusal(written(tmp_path / "config", **parts))
    assert "kubeconfig FILE: " in line
    assert message in line


def test_a_context_that_is_named_and_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    message = "kubeconfig FILE: found no context gone; name another; it has x"
    assert refusal(written(tmp_path / "config"), "--context", "gone") == message


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_told_and_not_waited_for(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "config")
    assert refusal(tmp_path / "config") == "kubeconfig FILE is no file; name one"


def test_files_are_found_from_where_the_kubeconfig_is(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("sesame")
    (tmp_path / "plugin").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "plugin").chmod(0o700)
    assert "cannot be" not in refusal(written(tmp_path / "config", user={"tokenFile": "token"}))
    plugin = {"exec": {**EXEC, "command": "./plugin"}}
    assert "its plugin gave no credentials" in refusal(written(tmp_path / "config", user=plugin))


def test_a_server_that_does_not_answer_is_told_with_its_address_and_context(tmp_path: Path) -> None:
    line = refusal(written(tmp_path / "config"))
    assert ": http://127.0.0.1:" in line
    assert " of context x of kubeconfig FILE: Failed to establish a new connection" in line
    assert line.endswith("; try again, or name the right cluster with --context or --kubeconfig")


@pytest.mark.parametrize("empty", ["", None])
def test_what_is_empty_is_as_good_as_none(tmp_path: Path, empty: str | None) -> None:
    cluster = {"certificate-authority": empty, "certificate-authority-data": empty}
    user = {"client-certificate": empty, "client-key-data": empty, "tokenFile": empty, "token": "sesame"}
    line = refusal(written(tmp_path / "config", cluster=cluster, user=user))
    assert "Failed to establish a new connection" in line


def test_one_of_several_files_that_is_no_kubeconfig_is_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    files = f"{written(tmp_path / 'config')}{os.pathsep}{tmp_path / 'text'}{os.pathsep}{tmp_path / 'missing'}"
    result = status(KUBECONFIG=files)
    assert result.stderr == f"canaryctl: kubeconfig {tmp_path / 'text'}: found a text; {RIGHT}\n"
