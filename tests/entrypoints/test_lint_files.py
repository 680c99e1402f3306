"""canaryctl lint reads what it is pointed at, and nothing else."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.entrypoints.test_lint import GOOD, run


@pytest.mark.parametrize("hidden", [".git", ".terraform/modules", "deep/.cache"])
def test_hidden_directories_are_not_searched(tmp_path: Path, hidden: str) -> None:
    (tmp_path / hidden).mkdir(parents=True)
    (tmp_path / hidden / "bad.yaml").write_text("a: 1\na: 2\n")
    (tmp_path / "all.yaml").write_text(GOOD)
    done = run(str(tmp_path))
    assert (done.exit_code, done.stdout) == (0, "")


def test_hidden_files_are_passed_over_in_a_directory_and_read_when_they_are_named(tmp_path: Path) -> None:
    (tmp_path / ".tool.yaml").write_text("a: 1\na: 2\n")
    (tmp_path / "all.yaml").write_text(GOOD)
    assert run(str(tmp_path)).exit_code == 0
    assert run(str(tmp_path / ".tool.yaml")).exit_code == 1


def test_a_hidden_directory_that_is_named_is_searched(tmp_path: Path) -> None:
    (tmp_path / ".deploy").mkdir()
    (tmp_path / ".deploy" / "bad.yaml").write_text("a: 1\na: 2\n")
    assert "bad.yaml:2: error" in run(str(tmp_path / ".deploy")).stdout


HOSTILE = r"""
apiVersion: v1
kind: Service
metadata:
  name: "check\nout\e[31m"
  annotations: {"canaryctl.dev/enabled": "true", "canaryctl.dev/x\ny": "q\nr\u2028\e[0m"}
"""


def test_every_finding_is_one_line_whatever_names_and_files_hold(tmp_path: Path) -> None:
    (tmp_path / "a\nb.yaml").write_text(HOSTILE)
    done = run(str(tmp_path))
    (line,) = done.stdout.splitlines()
    assert r"a\nb.yaml:6: error: Service default/check\nout\x1b[31m: canaryctl.dev/x\ny: found" in line
    assert line.isprintable()


def test_a_document_has_names_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a\nb.yaml").write_text(HOSTILE)
    (item,) = json.loads(run(str(tmp_path), "-o", "json").stdout)["items"]
    assert (item["file"], item["object"]) == (f"{tmp_path}/a\nb.yaml", "Service default/check\nout\x1b[31m")


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("missing.yaml", 1, "cannot be read: No such file or directory"),
        ("empty", 1, "the directory holds no .yaml, .yml, .json file"),
        ("wrong.yaml", 2, "no YAML: mapping values are not allowed here"),
        ("latin.yaml", 1, "no UTF-8 text"),
    ],
)
def test_what_cannot_be_read_is_a_finding_beside_the_others(
    tmp_path: Path, name: str, line: int, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "wrong.yaml").write_text("a:\nb: c: d\n")
    (tmp_path / "latin.yaml").write_bytes(b"caf\xe9")
    (tmp_path / "all.yaml").write_text(GOOD.replace('"true"', '"ture"'))
    done = run(str(tmp_path / name), str(tmp_path / "all.yaml"), "-o", "json")
    unreadable, other = json.loads(done.stdout)["items"]
    assert done.exit_code == 1
    assert (unreadable["file"], unreadable["line"]) == (f"{tmp_path}/{name}", line)
    assert (unreadable["severity"], unreadable["message"]) == ("error", message)
    assert other["file"] == f"{tmp_path}/all.yaml"
    lines = run(str(tmp_path / name), str(tmp_path / "all.yaml")).stdout.splitlines()
    assert lines[0] == f"{tmp_path}/{name}:{line}: error: {message}"
    assert len(lines) == 2


def test_a_name_that_is_no_text_does_not_spoil_the_document(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"caf\xe9.yaml")
    file.write_text("a: 1\na: 2\n")
    (item,) = json.loads(run(str(file), "-o", "json").stdout)["items"]
    assert item["file"] == str(file)


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    pipe, socket_file = tmp_path / "pipe.yaml", tmp_path / "socket.yaml"
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_file))
        said = run(str(pipe), "/dev/zero", str(socket_file)).stdout.splitlines()
    assert said == [
        f"{pipe}:1: error: is a named pipe: name a file, a directory, or - for a pipe",
        "/dev/zero:1: error: is a device: name a file, a directory, or - for a pipe",
        f"{socket_file}:1: error: is a socket: name a file, a directory, or - for a pipe",
    ]


@pytest.mark.parametrize("named", ["/dev/stdin < FILE", "- < FILE", "<(cat FILE)", "/dev/fd/3 3< FILE"])
def test_what_a_shell_hands_over_is_read(tmp_path: Path, named: str) -> None:
    (tmp_path / "all.yaml").write_text(GOOD)
    command = f"{sys.executable} -m canary.entrypoints.canaryctl lint {named}"
    program = command.replace("FILE", str(tmp_path / "all.yaml"))
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "2 objects looked at: 0 errors, 0 warnings\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("hello", "FILE: found a text; write a YAML mapping with the groups prometheus, kubernetes,"),
        ("[1]", "FILE: found a list; write a YAML mapping with the groups prometheus, kubernetes,"),
        ("\x00", "FILE: found something that is not YAML; write a YAML mapping with the groups"),
        (
            GOOD.split("---\n")[0],
            "FILE: found a Kubernetes Service; name the file that the controller is started",
        ),
        (GOOD, "FILE:8: found a second document; write one YAML mapping"),
        (
            "colour: blue",
            "FILE: colour: found an unknown key; known are prometheus, kubernetes, controller, plans,",
        ),
        (
            "page: {xyzzy: 1}",
            "FILE: page.xyzzy: found an unknown key; known are page.enabled, page.host, page.port",
        ),
    ],
)
def test_what_is_no_settings_file_is_told_in_a_line_that_says_what_is(
    tmp_path: Path, content: str, message: str
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(content)
    done = run("-", "--settings", str(settings), text=GOOD)
    (line,) = done.stdout.splitlines()
    said = message.replace("FILE", str(settings))
    assert line.startswith(f"{settings}:1: error: the controller's settings are wrong: {said}")
    assert len(line) < 500
    (item,) = json.loads(run("-", "-o", "json", "--settings", str(settings), text=GOOD).stdout)["items"]
    assert item["message"].startswith(f"the controller's settings are wrong: {said}")


def test_settings_that_may_never_end_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "settings")
    done = run("-", "--settings", str(tmp_path / "settings"), text=GOOD)
    assert (
        done.stdout == f"{tmp_path}/settings:1: error: is a named pipe: name the controller's settings file\n"
    )


def test_all_namespaces_make_no_sense_of_files() -> None:
    done = run("-", "-A", text=GOOD)
    assert done.exit_code == 2
    assert "use -n for those that name none" in done.stderr
