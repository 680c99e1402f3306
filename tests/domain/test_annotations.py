"""Annotations become a plan, or every problem at once, each with what was found and what would be right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.domain.annotations import PREFIX, REFERENCE, is_opted_in, parse_plan
from canary.domain.errors import InvalidPlan, Problem
from canary.domain.plan import Gate, Objective, ObjectiveKind, OnNoData, Plan, RouteRef, ServiceKey, Step
from canary.domain.policy import Policy, PolicySpec

KEY = ServiceKey("shop", "checkout")


def plan_of(**wishes: str) -> Plan:
    plan = parse_plan(KEY, annotations(**wishes))
    assert plan is not None
    return plan


def annotations(**wishes: str) -> dict[str, str]:
    return {PREFIX + name.replace("_", "-"): text for name, text in {"enabled": "true", **wishes}.items()}


def problems_of(**wishes: str) -> tuple[Problem, ...]:
    with pytest.raises(InvalidPlan) as refused:
        parse_plan(KEY, annotations(**wishes))
    return refused.value.problems


def problem_of(**wishes: str) -> Problem:
    (problem,) = problems_of(**wishes)
    return problem


def test_opting_in_is_enough():
    assert plan_of() == Plan(
        stable="checkout",
        canary="checkout-canary",
        steps=(Step(10, 60.0), Step(50, 60.0), Step(100, 60.0)),
        objectives=(Objective("error-rate", ObjectiveKind.ERRORS, 0.01),),
    )


def test_everything_can_be_wished_for():
    assert plan_of(
        stable="checkout-v1",
        canary="checkout-v2",
        steps="1@30s, 25@2m ,100",
        interval="5s",
        max_error_rate="0.5 %",
        max_latency="99.9% < 1.5s",
        tolerance="1.5x",
        min_requests="200",
        false_rollback_budget="0.1%",
        evidence="bake",
        gates="first-step, promotion",
        deadline="2h30m",
        on_no_data="rollback",
        virtual_services="checkout, gateway/primary",
        paused="true",
    ) == Plan(
        stable="checkout-v1",
        canary="checkout-v2",
        steps=(Step(1, 30.0), Step(25, 120.0), Step(100, 60.0)),
        objectives=(
            Objective("error-rate", ObjectiveKind.ERRORS, 0.005),
            Objective("latency", ObjectiveKind.LATENCY, 0.001, 1500.0),
        ),
        interval_seconds=5.0,
        tolerance=1.5,
        min_requests=200,
        false_rollback_budget=0.001,
        gates=frozenset(Gate),
        deadline_seconds=9000.0,
        on_no_data=OnNoData.ROLLBACK,
        virtual_services=(RouteRef("checkout"), RouteRef("gateway", "primary")),
        paused=True,
    )


@pytest.mark.parametrize(
    "written",
    [
        {},
        {PREFIX + "enabled": "false"},
        {PREFIX + "enabled": " false "},
        {PREFIX + "steps": "nonsense", PREFIX + "unheard-of": "x"},
        {PREFIX + "enabled": "false", PREFIX + "steps": "nonsense"},
        {"example.com/enabled": "true"},
    ],
)
def test_who_has_not_opted_in_gets_no_plan_and_no_complaint(written):
    assert parse_plan(KEY, written) is None
    assert not is_opted_in(written)


@pytest.mark.parametrize("text", ["True", "yes", "1", "", "flase"])
def test_opting_in_halfway_is_a_problem_not_a_silent_no(text):
    problem = problem_of(enabled=text)
    assert problem == Problem(PREFIX + "enabled", f'"{text}"', 'write "true" or "false"')


def test_space_around_a_value_does_not_matter():
    assert plan_of(enabled=" true\n", tolerance="\t1.3x ", steps=" 5 , 100 ").tolerance == 1.3


def test_annotations_of_others_are_none_of_our_business():
    others = {"kubectl.kubernetes.io/restartedAt": "now", "sandbox.canaryctl.dev/address": "127.0.0.1"}
    assert parse_plan(KEY, {**annotations(), **others}) == plan_of()


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("step", "steps"),
        ("max-eror-rate", "max-error-rate"),
        ("maxLatency", "max-latency"),
        ("gate", "gates"),
    ],
)
def test_a_typo_is_refused_and_the_right_name_suggested(typo, meant):
    problem = problem_of(**{typo: "10"})
    assert problem == Problem(PREFIX + typo, '"10"', f"did you mean {PREFIX}{meant}?")


def test_an_annotation_that_resembles_nothing_is_refused_too():
    assert "no such annotation" in problem_of(**{"zzz/qqq": "1"}).remedy


def test_all_problems_are_told_at_once():
    problems = problems_of(enabled="ture", steps="50,10", tolerance="1.2", nonsense="", deadline="soon")
    assert [problem.where.removeprefix(PREFIX) for problem in problems] == [
        "enabled",
        "steps",
        "tolerance",
        "deadline",
        "nonsense",
    ]


@pytest.mark.parametrize(
    ("name", "text", "remedy"),
    [
        ("steps", "", "step 1 is empty"),
        ("steps", "10,,50", "step 2 is empty"),
        ("steps", "10,50,", "step 3 is empty"),
        ("steps", "10%,50", "step 1: write the weight without a percent sign"),
        ("steps", "30,20", "step 2 (20) must be above step 1 (30)"),
        ("steps", "20,20", "step 2 (20) must be above step 1 (20)"),
        ("steps", "0,50", 'from 1 to 100, not "0"'),
        ("steps", "50,101", 'step 2: write a whole number from 1 to 100, not "101"'),
        ("steps", "10.5", 'not "10.5"'),
        ("steps", "-1", 'not "-1"'),
        ("steps", "10;50", 'not "10;50"'),
        ("steps", ",".join(str(weight) for weight in range(1, 22)), "at most 20 steps"),
        ("steps", "10@", "step 1, its bake time after @"),
        ("steps", "10@5", 'step 1, its bake time after @: a duration needs a unit: write "5s"'),
        ("steps", "10@0s", "bake for at least 1s"),
        ("steps", "10@2m@3m", "step 1, its bake time after @"),
        ("interval", "1s", "write a duration from 2s to 10m"),
        ("interval", "5", 'write "5s"'),
        ("max-error-rate", "0.01", 'did you mean "1%"?'),
        ("max-error-rate", "2", 'did you mean "2%"?'),
        ("max-error-rate", "0%", "above 0 and below 100"),
        ("max-error-rate", "100%", "above 0 and below 100"),
        ("max-error-rate", "-1%", "write a percentage"),
        ("max-error-rate", "1e-3%", "write a percentage"),
        ("max-error-rate", "nan%", "write a percentage"),
        ("max-latency", "500ms", 'such as "99% < 500ms"'),
        ("max-latency", "99 < 500ms", 'such as "99% < 500ms"'),
        ("max-latency", "99% > 500ms", 'such as "99% < 500ms"'),
        ("max-latency", "100% < 500ms", "below 100 before the <"),
        ("max-latency", "99% < 500", 'the bound after the <: a duration needs a unit: write "500s"'),
        ("max-latency", "99% < 0s", "a bound above 0"),
        ("tolerance", "1.2", 'with an x: "1.2x"'),
        ("tolerance", "0.9x", "from 1 to 100"),
        ("tolerance", "infx", "from 1 to 100"),
        ("min-requests", "0", "from 1 to 1000000"),
        ("min-requests", "1.5", "whole number"),
        ("false-rollback-budget", "20%", "from 0.0001 to 10"),
        ("false-rollback-budget", "0%", "from 0.0001 to 10"),
        ("evidence", "sequential", 'write "bake" or "budget"'),
        ("gates", "promotoin", 'did you mean "promotion"?'),
        ("gates", "", '"first-step" or "promotion"'),
        ("deadline", "0s", "from 1s to 720h"),
        ("deadline", "1000h", "from 1s to 720h"),
        ("on-no-data", "pass", '"hold" or "rollback"'),
        ("virtual-services", "", "NAME.NAMESPACE/ROUTE"),
        ("virtual-services", "a/b/c", "NAME.NAMESPACE/ROUTE"),
        ("virtual-services", "other/checkout.other", "NAME.NAMESPACE/ROUTE"),
        ("virtual-services", "checkout.other.svc", "NAME.NAMESPACE/ROUTE"),
        ("virtual-services", "checkout.", "NAME.NAMESPACE/ROUTE"),
        ("virtual-services", ".other", "NAME.NAMESPACE/ROUTE"),
        ("virtual-services", "checkout.*", "NAME.NAMESPACE/ROUTE"),
        ("virtual-services", "checkout.other/", "NAME.NAMESPACE/ROUTE"),
        ("virtual-services", "checkout.../other", "NAME.NAMESPACE/ROUTE"),
        ("virtual-services", "other:checkout", "NAME.NAMESPACE/ROUTE"),
        ("virtual-services", "checkout/", "NAME.NAMESPACE/ROUTE"),
        ("virtual-services", "Checkout", "lower case"),
        ("virtual-services", "a,b,a", '"a" stands there twice'),
        ("virtual-services", "a.b,a.c,a.b", '"a.b" stands there twice'),
        ("paused", "yes", 'write "true" or "false"'),
        ("policy", "", "write NAME of a ReleasePolicy"),
        ("policy", "a/b/c", "NAMESPACE/NAME of one that is shared"),
        ("policy", "shop/", "write NAME of a ReleasePolicy"),
        ("policy", "Standard", "lower case"),
        ("policy", "http://elsewhere/policy", "write NAME of a ReleasePolicy"),
        ("stable", "other/checkout", "only workloads of the service's own namespace"),
        ("stable", "", "write the name of a Deployment"),
        ("canary", "Check_out", "write the name of a Deployment"),
        ("canary", "a..b", "write the name of a Deployment"),
        ("canary", "a" * 64, "write the name of a Deployment"),
        ("canary", 'x"} or up{a="', "write the name of a Deployment"),
    ],
)
def test_a_value_that_is_not_understood_comes_with_its_remedy(name, text, remedy):
    problem = problem_of(**{name: text})
    assert problem.where == PREFIX + name
    assert remedy in problem.remedy


def test_one_workload_cannot_be_both():
    problem = problem_of(stable="checkout", canary="checkout")
    assert problem.where == PREFIX + "canary"
    assert "two workloads" in problem.remedy
    assert problem_of(canary="checkout").where == PREFIX + "canary"


def test_steps_that_do_not_fit_into_the_deadline_are_refused_naming_both():
    problem = problem_of(steps="10@20m,50@40m", deadline="1h")
    assert problem.where == PREFIX + "deadline"
    assert PREFIX + "steps" in problem.remedy
    assert "at least 1h" in problem.remedy
    assert problem_of(steps="10@1h").found == '"1h"'
    assert plan_of(steps="10@20m,50@39m", deadline="1h").deadline_seconds == 3600.0


def test_a_value_that_was_not_understood_contradicts_nothing():
    assert problem_of(stable="a/b", canary="checkout").where == PREFIX + "stable"
    assert problem_of(steps="10@2h,5").where == PREFIX + "steps"
    assert problem_of(deadline="later").where == PREFIX + "deadline"


def test_a_hostile_value_is_shown_short_and_printable():
    problem = problem_of(tolerance="\x1b[31m\nA" + "é" * 10_000)
    assert problem.found.startswith('"\\x1b[31m\\nA')
    assert len(problem.found) <= 62
    assert problem.found.isprintable()
    assert str(problem).isprintable()


@given(
    st.dictionaries(
        st.one_of(
            st.sampled_from([entry.key for entry in REFERENCE]), st.text(max_size=20).map(PREFIX.__add__)
        ),
        st.one_of(st.text(max_size=30), st.sampled_from([entry.example for entry in REFERENCE])),
        max_size=6,
    )
)
def test_whatever_is_written_gives_a_plan_or_problems_and_nothing_else(written):
    plan, problems = read(written)
    assert (plan is None) == bool(problems)
    for problem in problems:
        assert str(problem).isprintable()
        assert len(str(problem)) < 500
    if plan is not None:
        assert plan.steps
        assert plan.stable != plan.canary


def read(written: dict[str, str]) -> tuple[Plan | None, tuple[Problem, ...]]:
    try:
        return parse_plan(KEY, {**written, PREFIX + "enabled": "true"}), ()
    except InvalidPlan as refused:
        return None, refused.problems


@pytest.mark.parametrize("entry", REFERENCE, ids=lambda entry: entry.name)
def test_the_reference_holds_for_the_parser(entry):
    assert entry.meaning
    assert entry.form
    # Exactly one of the two says what absence means.
    assert (entry.default is None) == bool(entry.absent)
    if entry.default is not None:
        entry.parse(entry.default)
    if entry.example:
        policy = Policy(PolicySpec(), "") if entry.name == "policy" else None
        assert parse_plan(KEY, annotations(**{entry.name: entry.example}), policy)


def test_each_annotation_stands_in_the_reference_once():
    names = [entry.name for entry in REFERENCE]
    assert len(names) == len(set(names))


def test_defaults_of_annotations_and_of_plans_agree():
    plan = plan_of()
    bare = Plan(stable=plan.stable, canary=plan.canary, steps=plan.steps, objectives=plan.objectives)
    assert plan == bare
