"""Following a release shows what changes, says when the cluster is silent, and ends with Ctrl-C."""

import io
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest
from rich.console import Console

from canary.app.errors import Retryable
from canary.app.ports import StoredRelease
from canary.domain.observation import Requests
from canary.domain.release import Release
from canary.entrypoints.commands.detail import Detail
from canary.entrypoints.commands.watching import follow_one
from canary.entrypoints.live_view import live_view
from canary.entrypoints.status_view import status_rows
from tests.entrypoints.examples import BAKING, CONVICTED, NOW, ROLLED_BACK, ROLLING_BACK


def detail(release: Release, now: float = NOW) -> Detail:
    stored = StoredRelease(release, "7", "u", Requests())
    (row,) = status_rows([stored], {}, now)
    return Detail(row, live_view(release, 10, now), (), (), (), (stored,), now)


def followed(*moments: Detail | Exception, is_terminal: bool = False) -> str:
    """Follow a release through ``moments`` until Ctrl-C; return what a terminal would have been sent."""
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=80, color_system=None)
    left: Iterator[Detail | Exception] = iter(moments)

    def read() -> Detail:
        moment = next(left, None)
        if moment is None:
            raise KeyboardInterrupt
        if isinstance(moment, Exception):
            raise moment
        return moment

    with pytest.raises(KeyboardInterrupt):
        follow_one(read, lambda seconds: None, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_each_change_is_a_line_of_its_own(capsys):
    followed(detail(BAKING), detail(CONVICTED), detail(ROLLING_BACK), detail(ROLLED_BACK, NOW + 3))
    lines = capsys.readouterr().out.splitlines()
    phases = [line.split()[2] for line in lines]
    assert phases == ["Progressing", "Progressing", "RollingBack/Returning", "RolledBack"]


def test_what_only_grows_older_is_not_said_again(capsys):
    followed(detail(BAKING), detail(BAKING, NOW + 2), detail(BAKING, NOW + 4))
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_numbers_that_became_stale_are_said_again(capsys):
    followed(detail(BAKING), detail(BAKING, NOW + 120))
    _, stale = capsys.readouterr().out.splitlines()
    assert "STALE" in stale


def test_a_request_of_a_person_is_said_at_once(capsys):
    followed(detail(BAKING), replace(detail(BAKING), requests=("aborted by ada",)))
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_cluster_that_is_away_for_a_while_does_not_end_it(capsys):
    followed(detail(BAKING), Retryable("GET /apis: no answer"), detail(CONVICTED))
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 2
    assert captured.err == "canaryctl: GET /apis: no answer\n"


def test_a_cluster_that_was_never_there_ends_it():
    def read() -> Detail:
        raise Retryable("GET /apis: no answer")

    with pytest.raises(Retryable):
        follow_one(read, lambda seconds: None, Console())


def test_a_screen_shows_the_wish_of_a_person_under_the_panel():
    text = followed(replace(detail(BAKING), requests=("aborted by ada",)), is_terminal=True)
    assert "aborted by ada" in text.rpartition("╰")[2]


def test_a_watched_list_adds_the_rows_that_changed_until_ctrl_c(shop, monkeypatch):
    pauses = iter([lambda: shop.begin(BAKING), lambda: None])

    def sleep(seconds):
        happens = next(pauses, None)
        if happens is None:
            raise KeyboardInterrupt
        happens()

    monkeypatch.setattr("canary.entrypoints.commands.status.time", SimpleNamespace(sleep=sleep))
    header, waiting, begun = shop.run("status", "--watch").splitlines()
    assert header.startswith("SERVICE")
    assert waiting.split()[:2] == ["myapp", "Waiting"]
    assert begun.split()[:2] == ["myapp", "Progressing"]
