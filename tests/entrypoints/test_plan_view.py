"""A plan reads as a person would say it, with whatever stands behind the annotations."""

from dataclasses import replace

from canary.domain.plan import Gate, OnNoData, Plan, RouteRef, Step
from canary.entrypoints.plan_view import plan_in_words
from tests.entrypoints.examples import PLAN


def text_of(plan: Plan) -> str:
    return "\n".join(plan_in_words(plan))


def test_everything_that_decides_is_said() -> None:
    assert text_of(replace(PLAN, steps=(Step(10, 120.0), Step(100, 300.0)))).splitlines() == [
        "steps 10 % for 2m, 100 % for 5m",
        "at most 1.2x as bad as stable, on at least 50 requests a step",
        "false rollbacks in at most 1.0 % of releases",
        "deadline 1h; if evidence is lacking then, it stays held",
    ]


def test_what_is_not_the_rule_is_said_where_it_is_asked_for() -> None:
    text = text_of(
        replace(
            PLAN,
            gates=frozenset(Gate),
            on_no_data=OnNoData.ROLLBACK,
            virtual_services=(RouteRef("checkout"), RouteRef("shop", "checkout", "istio-ingress")),
            policy="platform/careful",
        )
    )
    assert "a person approves: first-step, promotion" in text
    assert "it is rolled back" in text
    assert "routes of checkout, shop.istio-ingress/checkout only" in text
    assert "policy platform/careful behind the annotations" in text
