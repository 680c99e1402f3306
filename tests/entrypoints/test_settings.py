"""Settings: who wins, that nothing is ignored, and that every problem says where it stands."""

import itertools
import os
from collections.abc import Mapping
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner
from pydantic import ValidationError

from canary.entrypoints.providers import prometheus_access
from canary.entrypoints.settings import Settings, dump_settings, masked
from canary.entrypoints.settings_keys import key_paths, settings_options, text_of, variable_of
from canary.entrypoints.settings_loading import InvalidSettings, load_settings

SAMPLE = Path(__file__).parents[2] / "config" / "controller.yaml"
URL = {"CANARY_PROMETHEUS__URL": "http://prometheus:9090"}
SECRET = "hunter2-in-the-clear"


def written(directory: Path, text: str) -> Path:
    path = directory / "controller.yaml"
    path.write_text(text)
    return path


def problems_of(
    environ: Mapping[str, str], config: Path | None = None, flags: Mapping[str, object] | None = None
) -> list[str]:
    with pytest.raises(InvalidSettings) as invalid:
        load_settings(flags or {}, environ, config)
    return [str(problem) for problem in invalid.value.problems]


def file_problems(directory: Path, text: str) -> list[str]:
    return [each.replace(str(directory), "") for each in problems_of(URL, written(directory, text))]


def test_the_sample_file_says_what_the_defaults_are() -> None:
    defaults = load_settings({"prometheus.url": "http://prometheus.monitoring:9090"}, {})
    assert load_settings({}, {}, SAMPLE) == defaults


def test_the_sample_file_mentions_every_setting() -> None:
    text = SAMPLE.read_text()
    assert [text_of(key) for key in key_paths() if f"{key[-1]}:" not in text] == []


def test_settings_in_force_can_be_saved_and_loaded_again(tmp_path: Path) -> None:
    environ = {**URL, "CANARY_CONTROLLER__TICK": "1m30s", "CANARY_KUBERNETES__NAMESPACES": "shop,pay"}
    settings = load_settings({}, environ)
    assert load_settings({}, {}, written(tmp_path, dump_settings(settings))) == settings


@pytest.mark.parametrize(
    ("sources", "winner"),
    [
        ((), 2.0),
        (("file",), 11.0),
        (("file", "variable"), 12.0),
        (("file", "variable", "flag"), 13.0),
        (("file", "flag"), 13.0),
    ],
)
def test_flags_win_over_variables_those_over_the_file_and_that_over_defaults(
    tmp_path: Path, sources: tuple[str, ...], winner: float
) -> None:
    config = written(tmp_path, "controller: {tick: 11s}") if "file" in sources else None
    environ = URL | ({"CANARY_CONTROLLER__TICK": "12s"} if "variable" in sources else {})
    flags = {"controller.tick": "13s"} if "flag" in sources else {}
    assert load_settings(flags, environ, config).controller.tick_seconds == winner


def test_one_key_of_a_group_from_a_variable_leaves_the_files_other_keys(tmp_path: Path) -> None:
    config = written(tmp_path, "http: {host: 127.0.0.1, port: 9000}")
    http = load_settings({}, URL | {"CANARY_HTTP__PORT": "0"}, config).http
    assert (http.host, http.port) == ("127.0.0.1", 0)


def test_canary_config_names_the_file_unless_a_flag_does(tmp_path: Path) -> None:
    config = written(tmp_path, "controller: {workers: 7}")
    named = URL | {"CANARY_CONFIG": str(config)}
    other = tmp_path / "other.yaml"
    other.write_text("controller: {workers: 9}")
    assert load_settings({}, named).controller.workers == 7
    assert load_settings({}, named, other).controller.workers == 9


def test_mistyped_variable_is_an_error_that_names_the_right_one() -> None:
    assert problems_of(URL | {"CANARY_CONTROLER__TICK": "5s"}) == [
        "CANARY_CONTROLER__TICK: found an unknown environment variable; did you mean CANARY_CONTROLLER__TICK?"
    ]


def test_variables_that_kubernetes_sets_for_a_service_called_canary_are_not_mistyped() -> None:
    links = {
        "CANARY_SERVICE_HOST": "10.0.0.1",
        "CANARY_SERVICE_PORT_HTTP": "80",
        "CANARY_PORT": "tcp://10.0.0.1:80",
        "CANARY_HTTP_PORT": "tcp://10.0.0.1:80",
        "CANARY_CONTROLLER_PORT_8080_TCP_PORT": "8080",
        "CANARY_CONTROLLER_PORT_8080_TCP_ADDR": "10.0.0.1",
    }
    assert load_settings({}, URL | links) == load_settings({}, URL)


def test_variable_of_the_projects_own_tests_does_not_keep_a_controller_from_starting() -> None:
    environ = URL | {"CANARY_TEST_KUBECONFIG": "/home/dev/kind.yaml"}
    assert load_settings({}, environ) == load_settings({}, URL)


def test_only_the_variables_that_are_handed_over_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_HTTP__PORT", "9000")
    assert load_settings({}, URL).http.port == 8080


def test_every_setting_has_a_variable_that_says_what_the_file_says(tmp_path: Path) -> None:
    text = """
prometheus: {url: http://p, timeout: 3s, bearer_token_file: token, ca_file: ca.pem, client_key_file: key.pem,
  client_certificate_file: cert.pem, reporter: destination, scrape_interval: 5s, lag: 1s}
kubernetes: {kubeconfig: kube.yaml, context: production, namespaces: "shop, pay"}
controller: {tick: 1s, workers: 2, checkpoint_interval: 5s, cluster_domain: local, history_limit: 3}
leadership: {enabled: no, name: lease, namespace: canary, identity: me, lease_duration: 9s,
  renew_deadline: 6s, retry_period: 1s}
http: {host: "::", port: 81}
page: {enabled: yes, host: "::1", port: 82}
log: {format: json, level: debug}
"""
    groups = yaml.safe_load(text)
    environ = {
        variable_of((group, key)): str(groups[group][key]) for group in groups for key in groups[group]
    }
    assert load_settings({}, environ) == load_settings({}, {}, written(tmp_path, text))
    basic = {"username": "canary", "password_file": "password"}
    environ = {variable_of(("prometheus", "basic_auth", key)): value for key, value in basic.items()}
    assert masked(load_settings({}, URL | environ))["prometheus"]["basic_auth"] == basic


def test_single_underscore_is_a_typo_even_where_a_services_variable_might_stand() -> None:
    (problem,) = problems_of(URL | {"CANARY_HTTP_PORT": "9000"})
    assert problem.endswith("did you mean CANARY_HTTP__PORT?")


def test_variable_that_is_set_to_nothing_counts_as_not_set() -> None:
    empty = dict.fromkeys(map(variable_of, key_paths()), "")
    assert load_settings({}, empty | URL) == load_settings({}, URL)


def test_unknown_key_is_an_error_that_names_the_right_one(tmp_path: Path) -> None:
    assert file_problems(tmp_path, "controller: {tik: 5s}") == [
        "/controller.yaml: controller.tik: found an unknown key; did you mean controller.tick?"
    ]


@pytest.mark.parametrize("text", ["Controller: {tick: 5s}", "controller: {TICK: 5s}", "7: {}"])
def test_key_counts_only_as_it_is_spelt(tmp_path: Path, text: str) -> None:
    (problem,) = file_problems(tmp_path, text)
    assert "found an unknown key" in problem


def test_group_that_the_file_garbles_is_not_hidden_by_its_variables(tmp_path: Path) -> None:
    config = written(tmp_path, f"prometheus: {SECRET}\nhttp: 80\nlog:\n")
    assert problems_of({"CANARY_HTTP__PORT": "81", "CANARY_LOG__LEVEL": "debug"}, config) == [
        f"{config}: {group}: found a value that is not shown; write a mapping of keys to values"
        for group in ("prometheus", "http")
    ]


def test_key_that_stands_twice_is_an_error_that_names_the_line(tmp_path: Path) -> None:
    text = "controller:\n  tick: 5s\n  workers: 2\n  tick: 6s\n"
    assert file_problems(tmp_path, text) == [
        "/controller.yaml:4: found the key tick a second time; keep one of the two"
    ]


def test_all_problems_are_told_at_once_each_with_its_place(tmp_path: Path) -> None:
    config = written(tmp_path, "controller: {workers: 0, tick: 5}\nlog: {level: loud}")
    environ = {"CANARY_HTTP__PORT": "70000", "CANARY_PROMETHEUS__TIMEOUT": "ten seconds"}
    told = problems_of(environ, config, {"prometheus.url": "prometheus:9090", "controller.tick": "-1s"})
    assert sorted(each.removeprefix(f"{config}: ").split(":")[0] for each in told) == [
        "--prometheus-url",
        "--tick",
        "CANARY_HTTP__PORT",
        "CANARY_PROMETHEUS__TIMEOUT",
        "controller.workers",
        "log.level",
    ]


def test_missing_url_says_how_to_set_it() -> None:
    assert problems_of({}) == [
        "prometheus.url (--prometheus-url, CANARY_PROMETHEUS__URL): found nothing; set it: it has no default"
    ]


@pytest.mark.parametrize("text", ["5", "2.5", ".nan", ".inf", "0s", "yes", "soon", "1:30", "-5s", "null"])
def test_what_is_no_duration_with_a_unit_is_refused(tmp_path: Path, text: str) -> None:
    (problem,) = file_problems(tmp_path, f"controller: {{tick: {text}}}")
    assert problem.startswith("/controller.yaml: controller.tick: found ")
    assert "write a duration" in problem or "needs a unit" in problem


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("controller: {workers: yes}", "controller.workers"),
        ("kubernetes: {namespaces: [Shop]}", "kubernetes.namespaces"),
        ("kubernetes: {namespaces: [../../secrets]}", "kubernetes.namespaces"),
        ("leadership: {lease_duration: 5s}", "leadership"),
        ("prometheus: {basic_auth: {username: canary}}", "prometheus.basic_auth.password_file"),
        ("prometheus: {client_key_file: key.pem}", "prometheus"),
        ("prometheus: {reporter: both}", "prometheus.reporter"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_runs(
    tmp_path: Path, text: str, place: str
) -> None:
    (problem,) = file_problems(tmp_path, text)
    assert place in problem.split("found")[0]


@pytest.mark.parametrize("text", ["[1, 2]", "just words", "a: b: c", "\x00", "when: 2026-99-99", "[" * 500])
def test_file_that_is_no_mapping_is_one_problem_and_no_traceback(tmp_path: Path, text: str) -> None:
    (problem,) = file_problems(tmp_path, text)
    assert problem.startswith("/controller.yaml")
    assert "write a YAML mapping with the groups" in problem


def test_file_that_does_not_exist_is_a_problem_not_a_default(tmp_path: Path) -> None:
    (problem,) = problems_of({}, tmp_path / "missing.yaml")
    assert problem.endswith("missing.yaml: found No such file or directory; name a readable file")


def test_directory_is_no_file_of_settings() -> None:
    (problem,) = problems_of({}, Path())
    assert problem == ".: found Is a directory; name a readable file"


def test_file_may_be_a_pipe(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"http: {port: 81}")
    os.close(writer)
    try:
        assert load_settings({}, URL, Path(f"/dev/fd/{reader}")).http.port == 81
    finally:
        os.close(reader)


@pytest.mark.parametrize(
    "text",
    [
        f"prometheus: {{url: 'http://canary:{SECRET}@prometheus:9090'}}",
        f"prometheus: {{url: 'http://canary:{SECRET}@[:9090'}}",
        f"prometheus: {{url: 'http://canary:{SECRET}@h\u2100st'}}",
        f"prometheus: {{basic_auth: 'canary:{SECRET}'}}",
        f"prometheus: {{password: {SECRET}}}",
        f"prometheus: {{bearer_token_file: {{token: {SECRET}}}}}",
        f"prometheus: {{reporter: [{SECRET}]}}",
        f"prometheus: {{headers: [{SECRET}]}}",
        f"prometheus: {{headers: {SECRET}}}",
        f'prometheus: {{headers: {{Authorization: "{SECRET}\\n"}}}}',
        f"prometheus: {{headers: {{Authorization: {{Bearer: {SECRET}}}}}}}",
        f"prometheus: 'http://canary:{SECRET}@prometheus:9090'",
        f"headers: 'unclosed {SECRET}",
    ],
)
def test_no_error_shows_a_secret(tmp_path: Path, text: str) -> None:
    told = problems_of({}, written(tmp_path, text))
    assert told
    assert not any(SECRET in each for each in told)


def test_what_is_printed_holds_no_header_value() -> None:
    environ = URL | {"CANARY_PROMETHEUS__HEADERS": f"X-Scope-OrgID=shop,Authorization=Bearer {SECRET}="}
    settings = load_settings({}, environ)
    assert SECRET not in "".join([dump_settings(settings), str(masked(settings)), repr(settings)])
    assert prometheus_access(settings.prometheus).headers == {
        "X-Scope-OrgID": "shop",
        "Authorization": f"Bearer {SECRET}=",
    }


def test_access_to_prometheus_is_what_the_settings_say(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{SECRET}\n")
    text = f"""
prometheus:
  url: https://mimir.example/prometheus
  timeout: 3s
  basic_auth: {{username: canary, password_file: {tmp_path}/password}}
  ca_file: ca.pem
  client_certificate_file: certificate.pem
  client_key_file: key.pem
"""
    access = prometheus_access(load_settings({}, {}, written(tmp_path, text)).prometheus)
    assert (access.url, access.timeout_seconds, access.ca_file) == (
        "https://mimir.example/prometheus",
        3.0,
        Path("ca.pem"),
    )
    assert access.basic_auth is not None
    assert (access.basic_auth.username, access.basic_auth.password) == ("canary", SECRET)
    assert access.client_certificate is not None
    assert access.client_certificate.key == Path("key.pem")


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file or directory"), (b"caf\xe9", "it is not UTF-8 text")]
)
def test_password_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    basic = f"basic_auth: {{username: canary, password_file: {file}}}"
    settings = load_settings({}, URL, written(tmp_path, f"prometheus: {{{basic}}}"))
    with pytest.raises(OSError, match="password") as failure:
        prometheus_access(settings.prometheus)
    assert str(failure.value) == f"cannot read the password file {file}: {why}"


def test_settings_do_not_change_once_they_exist() -> None:
    settings = load_settings({}, URL)
    with pytest.raises(ValidationError):
        settings.http.port = 1


def command_that_keeps(kept: list[Settings]) -> click.Command:
    @click.command()
    @settings_options
    def command(config: Path | None, flags: Mapping[str, object]) -> None:
        kept.append(load_settings(flags, {}, config))

    return command


def test_every_flag_reaches_its_setting(tmp_path: Path) -> None:
    given = {
        "--config": str(written(tmp_path, "controller: {history_limit: 3}")),
        "--kubeconfig": "kube.yaml",
        "--context": "production",
        "--prometheus-url": "http://prometheus:9090",
        "--prometheus-reporter": "destination",
        "--scrape-interval": "30s",
        "--tick": "4s",
        "--checkpoint-interval": "20s",
        "--workers": "8",
        "--lease-namespace": "canary-system",
        "--http-host": "127.0.0.1",
        "--http-port": "0",
        "--log-format": "json",
        "--log-level": "debug",
    }
    many = ["--namespace", "shop", "--namespace", "pay", "--no-leader-election"]
    kept: list[Settings] = []
    arguments = [*itertools.chain.from_iterable(given.items()), *many]
    result = CliRunner().invoke(command_that_keeps(kept), arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert masked(kept[0]) == {
        "prometheus": {
            "url": "http://prometheus:9090",
            "timeout": "10s",
            "headers": {},
            "reporter": "destination",
            "scrape_interval": "30s",
            "lag": "2s",
        },
        "kubernetes": {"kubeconfig": "kube.yaml", "context": "production", "namespaces": ["shop", "pay"]},
        "controller": {
            "tick": "4s",
            "workers": 8,
            "checkpoint_interval": "20s",
            "cluster_domain": "cluster.local",
            "history_limit": 3,
        },
        "plans": {"defaults": {}, "metric_templates": {}},
        "leadership": {
            "enabled": False,
            "name": "canary-controller",
            "namespace": "canary-system",
            "lease_duration": "15s",
            "renew_deadline": "10s",
            "retry_period": "2s",
        },
        "http": {"host": "127.0.0.1", "port": 0},
        "page": {"enabled": False, "host": "0.0.0.0", "port": 8081},  # noqa: S104 - the default
        "log": {"format": "json", "level": "debug"},
    }


def test_flag_that_is_not_given_says_nothing() -> None:
    kept: list[Settings] = []
    command = command_that_keeps(kept)
    CliRunner().invoke(command, ["--prometheus-url", "http://prometheus:9090"], catch_exceptions=False)
    assert kept == [load_settings({}, URL)]
