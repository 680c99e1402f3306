"""What an administrator provides is understood when the controller starts, or every problem is told then."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from canary.domain.annotations import parse_plan
from canary.domain.metric_template import Aggregate, Counter, Gauge, GaugeTemplate, MetricTemplate
from canary.domain.plan import Gate, Plan, ServiceKey
from canary.entrypoints.plans import provided
from canary.entrypoints.settings import Settings, dump_settings
from canary.entrypoints.settings_loading import InvalidSettings, load_settings

URL = {"CANARY_PROMETHEUS__URL": "http://prometheus:9090"}
TEMPLATE = {
    "total": {"metric": "payments_total"},
    "bad": {"metric": "payments_total", "where": {"result": ["failed"]}},
}


GAUGE = {
    "gauge": {"metric": "queue_used", "where": {"queue": ["orders"]}},
    "over": {"metric": "queue_size"},
    "aggregate": "sum",
}


def settings_with(tmp_path: Path, **plans: object) -> Settings:
    file = tmp_path / "controller.yaml"
    file.write_text(yaml.safe_dump({"plans": plans}))
    return load_settings({}, URL, file)


def refusal(tmp_path: Path, **plans: object) -> str:
    with pytest.raises(InvalidSettings) as refused:
        settings_with(tmp_path, **plans)
    return str(refused.value)


def plan_under(settings: Settings, annotations: Mapping[str, str] = {}) -> Plan:
    key, written = ServiceKey("shop", "checkout"), {"canaryctl.dev/enabled": "true", **annotations}
    plan = parse_plan(key, written, provided=provided(settings.plans))
    assert plan is not None
    return plan


def test_defaults_stand_behind_every_service(tmp_path: Path) -> None:
    settings = settings_with(
        tmp_path, defaults={"maxErrorRate": "0.5%", "gates": ["promotion"], "deadline": "4h"}
    )
    plan = plan_under(settings, {"canaryctl.dev/deadline": "2h"})
    assert plan.objectives[0].max_bad_ratio == 0.005
    assert plan.gates == frozenset({Gate.PROMOTION})
    assert plan.deadline_seconds == 7200.0


def test_defaults_may_rest_on_a_metric_template(tmp_path: Path) -> None:
    objective = {"name": "payments", "template": "failed-payments", "maxBad": "1%"}
    settings = settings_with(
        tmp_path, defaults={"objectives": [objective]}, metric_templates={"failed-payments": TEMPLATE}
    )
    template = MetricTemplate(Counter("payments_total"), Counter("payments_total", {"result": ("failed",)}))
    assert plan_under(settings).objectives[-1].template == template


def test_a_metric_template_may_be_a_gauge(tmp_path: Path) -> None:
    objective = {"name": "queue", "template": "queue-full", "atMost": 0.8, "failures": 0}
    settings = settings_with(
        tmp_path, defaults={"objectives": [objective]}, metric_templates={"queue-full": GAUGE}
    )
    (threshold,) = plan_under(settings).thresholds
    used = Gauge("queue_used", {"queue": ("orders",)})
    assert threshold.template == GaugeTemplate(used, Aggregate.SUM, Gauge("queue_size"))
    assert (threshold.bound, threshold.failures) == (0.8, 0)


def test_what_was_read_is_shown_as_it_can_be_read_again(tmp_path: Path) -> None:
    objective = {"name": "queue", "template": "queue-full", "atMost": 500}
    plans = {
        "defaults": {"tolerance": "1.5x", "objectives": [objective]},
        "metric_templates": {"failed-payments": TEMPLATE, "queue-full": GAUGE},
    }
    settings = settings_with(tmp_path, **plans)
    again = tmp_path / "again.yaml"
    again.write_text(dump_settings(settings))
    assert load_settings({}, {}, again) == settings


@pytest.mark.parametrize(
    ("plans", "words"),
    [
        ({"defaults": {"tolerance": "1.2"}}, ['tolerance: found "1.2"; write the number with an x: "1.2x"']),
        ({"defaults": {"maxErorRate": "1%"}}, ["maxErorRate", "did you mean maxErrorRate?"]),
        ({"defaults": {"steps": [{"weight": 50}, {"weight": 10}]}}, ["weights must rise"]),
        ({"defaults": {"steps": [{"weight": "10"}]}}, ["steps[0].weight", "write a whole number"]),
        ({"defaults": {"steps": [{"weight": 10, "bake": "5"}]}}, ["steps[0]", 'write "5s"']),
        ({"defaults": {"onNoData": "pass"}}, ["onNoData", "write one of hold, rollback"]),
        ({"defaults": "tolerance=1.2x"}, ["write it in the file"]),
        (
            {"defaults": {"objectives": [{"name": "x", "template": "failed-payment", "maxBad": "1%"}]}},
            ["objectives[0].template", "metric templates are: none"],
        ),
        (
            {"defaults": {"tolerance": "1", "deadline": "soon"}},
            ['write the number with an x: "1x"', "deadline: found"],
        ),
        ({"metric_templates": {"Failed": TEMPLATE}}, ["a-z, 0-9"]),
        ({"metric_templates": {"failed": {"total": {"metric": "x"}}}}, ["bad: found nothing; it is needed"]),
        (
            {"metric_templates": {"failed": {**TEMPLATE, "bad": {"metric": 'x{a="b"}'}}}},
            ["the name of a counter"],
        ),
        (
            {"metric_templates": {"failed": {**TEMPLATE, "podlabel": "pod"}}},
            ["plans.metric_templates.failed: ", "did you mean podLabel?"],
        ),
        (
            {"metric_templates": {"mixed": {**TEMPLATE, **GAUGE}}},
            ["plans.metric_templates.mixed", "total and gauge exclude each other"],
        ),
        ({"metric_templates": {"none": {"guage": {"metric": "x"}}}}, ["write total and bad", "or gauge"]),
        (
            {"metric_templates": {"full": {**GAUGE, "aggregate": "p99"}}},
            ["aggregate", "write one of max, min, mean, sum"],
        ),
        ({"metric_templates": {"full": {"over": {"metric": "x"}}}}, ["gauge: found nothing; it is needed"]),
        (
            {
                "defaults": {"objectives": [{"name": "x", "template": "full", "maxBad": "1%"}]},
                "metric_templates": {"full": GAUGE},
            },
            ["objectives[0].maxBad", "is a gauge: write atMost or atLeast"],
        ),
        (
            {
                "defaults": {"objectives": [{"name": "x", "template": "full", "atMost": "500"}]},
                "metric_templates": {"full": GAUGE},
            },
            ["objectives[0].atMost", "write a number"],
        ),
    ],
)
def test_what_is_wrong_is_told_at_the_start_with_its_place(
    tmp_path: Path, plans: dict[str, object], words: list[str]
) -> None:
    told = refusal(tmp_path, **plans)
    assert "plans" in told
    for each in words:
        assert each in told


def test_plans_have_too_many_parts_for_variables() -> None:
    with pytest.raises(InvalidSettings, match="write it in the file"):
        load_settings({}, {**URL, "CANARY_PLANS__DEFAULTS": "{}"})
