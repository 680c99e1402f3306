"""A policy says what annotations would, in the same words; behind them and before the defaults."""

from dataclasses import fields, replace

import pytest

from canary.domain.annotations import PREFIX, REFERENCE, parse_plan, policy_named_by, policy_problems
from canary.domain.errors import InvalidPlan, Problem
from canary.domain.metric_template import Counter, Gauge, GaugeTemplate, MetricTemplate
from canary.domain.plan import (
    Gate,
    Objective,
    ObjectiveKind,
    OnNoData,
    Plan,
    PolicyRef,
    RouteRef,
    ServiceKey,
    Side,
    Step,
    Threshold,
)
from canary.domain.policy import (
    NOTHING_PROVIDED,
    Policy,
    PolicyObjective,
    PolicySpec,
    PolicyStep,
    Provided,
    Unavailable,
)

KEY = ServiceKey("shop", "checkout")
PLACE = "ReleasePolicy shop/standard: spec."
PAYMENTS = MetricTemplate(Counter("payments_total"), Counter("payments_total", {"result": ("failed",)}))
QUEUE = GaugeTemplate(Gauge("queue_length"))
ON_THE_SERVICE_ONLY = {"enabled", "paused", "policy"}


def policy(**said: object) -> Policy:
    return Policy(replace(PolicySpec(), **said), PLACE)


def defaults(**said: object) -> Provided:
    templates = {"failed-payments": PAYMENTS, "queue": QUEUE}
    return Provided(Policy(replace(PolicySpec(), **said), "plans.defaults."), templates)


def on_queue(**said: object) -> PolicyObjective:
    return replace(PolicyObjective("queue-length", template="queue", at_most=500.0), **said)


def plan_of(named: Policy | Unavailable | None, provided: Provided = NOTHING_PROVIDED, **wishes: str) -> Plan:
    texts = {"enabled": "true", **({"policy": "standard"} if named is not None else {}), **wishes}
    annotations = {PREFIX + name.replace("_", "-"): text for name, text in texts.items()}
    plan = parse_plan(KEY, annotations, named, provided)
    assert plan is not None
    return plan


def problems_of(
    named: Policy | Unavailable | None, provided: Provided = NOTHING_PROVIDED, **wishes: str
) -> list[Problem]:
    with pytest.raises(InvalidPlan) as refused:
        plan_of(named, provided, **wishes)
    return list(refused.value.problems)


def test_policy_can_say_everything_that_annotations_can_but_what_is_the_services_own():
    names = {item.name.replace("_", "-") for item in fields(PolicySpec)} - {"objectives"}
    assert names == {annotation.name for annotation in REFERENCE} - ON_THE_SERVICE_ONLY


def test_policy_and_annotations_that_say_the_same_are_the_same_plan():
    said = policy(
        stable="checkout-v1",
        canary="checkout-v2",
        steps=(PolicyStep(1, "30s"), PolicyStep(25), PolicyStep(100)),
        max_error_rate="0.5%",
        max_latency="99% < 500ms",
        tolerance="1.5x",
        min_requests=200,
        false_rollback_budget="0.1%",
        evidence="bake",
        gates=frozenset(Gate),
        deadline="2h30m",
        on_no_data=OnNoData.ROLLBACK,
        drain="30s",
        interval="5s",
        virtual_services=("checkout", "gateway/primary"),
    )
    written = plan_of(
        None,
        stable="checkout-v1",
        canary="checkout-v2",
        steps="1@30s,25,100",
        max_error_rate="0.5%",
        max_latency="99% < 500ms",
        tolerance="1.5x",
        min_requests="200",
        false_rollback_budget="0.1%",
        evidence="bake",
        gates="first-step,promotion",
        deadline="2h30m",
        on_no_data="rollback",
        drain="30s",
        interval="5s",
        virtual_services="checkout,gateway/primary",
    )
    assert plan_of(said) == replace(written, policy="standard")
    assert plan_of(None, Provided(said)) == written
    assert written.virtual_services == (RouteRef("checkout"), RouteRef("gateway", "primary"))


def test_annotations_go_before_the_policy_and_that_before_the_defaults():
    behind = defaults(tolerance="1.1x", deadline="3h", max_error_rate="5%")
    plan = plan_of(policy(tolerance="1.3x", deadline="2h"), behind, tolerance="1.5x")
    assert (plan.tolerance, plan.deadline_seconds) == (1.5, 7200.0)
    assert plan.objectives == (Objective("error-rate", ObjectiveKind.ERRORS, 0.05),)
    assert plan.steps == (Step(10, 60.0), Step(50, 60.0), Step(100, 60.0))


def test_what_a_policy_asks_for_can_be_taken_back():
    said = policy(gates=frozenset(Gate), max_latency="99% < 500ms")
    assert plan_of(said).gates == frozenset(Gate)
    plan = plan_of(said, gates="none", max_latency="none")
    assert plan.gates == frozenset()
    assert [item.name for item in plan.objectives] == ["error-rate"]
    assert plan_of(policy(gates=frozenset()), defaults(gates=frozenset(Gate))).gates == frozenset()


def test_policy_can_ask_for_further_objectives():
    tail = PolicyObjective("tail", max_latency="99.9% < 2.5s")
    payments = PolicyObjective("payments", template="failed-payments", max_bad="0.5%")
    plan = plan_of(policy(objectives=(tail, payments)), defaults(), max_latency="99% < 500ms")
    assert plan.objectives == (
        Objective("error-rate", ObjectiveKind.ERRORS, 0.01),
        Objective("latency", ObjectiveKind.LATENCY, 0.01, 500.0),
        Objective("tail", ObjectiveKind.LATENCY, 0.001, 2500.0),
        Objective("payments", ObjectiveKind.TEMPLATE, 0.005, template=PAYMENTS),
    )


def test_policy_can_bound_a_gauge_which_is_judged_apart_from_what_is_counted():
    full = PolicyObjective("free", template="queue", at_least=0.2, failures=5, consecutive=3, every="30s")
    plan = plan_of(policy(objectives=(on_queue(), full)), defaults())
    assert [item.name for item in plan.objectives] == ["error-rate"]
    assert plan.thresholds == (
        Threshold(
            "queue-length", Side.AT_MOST, 500.0, QUEUE, failures=2, consecutive=None, every_seconds=10.0
        ),
        Threshold("free", Side.AT_LEAST, 0.2, QUEUE, failures=5, consecutive=3, every_seconds=30.0),
    )
    (unknown,) = plan_of(policy(objectives=(on_queue(template="whatever"),)), Provided()).thresholds
    assert unknown.template is None


def test_objectives_of_a_policy_replace_those_of_the_defaults():
    one, other = (PolicyObjective(name, max_latency="99% < 1s") for name in ("one", "other"))
    names = [
        item.name for item in plan_of(policy(objectives=(one,)), defaults(objectives=(other,))).objectives
    ]
    assert names == ["error-rate", "one"]
    names = [item.name for item in plan_of(policy(objectives=()), defaults(objectives=(other,))).objectives]
    assert names == ["error-rate"]


def test_where_templates_are_not_known_no_name_of_one_is_called_wrong():
    payments = PolicyObjective("payments", template="whatever", max_bad="0.5%")
    assert plan_of(policy(objectives=(payments,)), Provided()).objectives[-1].name == "payments"


@pytest.mark.parametrize(
    ("said", "where", "remedy"),
    [
        ({"tolerance": "1.2"}, "tolerance", 'with an x: "1.2x"'),
        ({"max_error_rate": "0.01"}, "maxErrorRate", 'did you mean "1%"?'),
        ({"steps": (PolicyStep(50), PolicyStep(10))}, "steps", "step 2 (10) must be above step 1 (50)"),
        ({"min_requests": 0}, "minRequests", "from 1 to 1000000"),
        ({"virtual_services": ("a/b/c",)}, "virtualServices", "NAME, NAME/ROUTE"),
        ({"stable": "a", "canary": "a"}, "canary", "two workloads"),
        ({"deadline": "1m"}, "deadline", "the steps of canaryctl.dev/steps take at least 3m"),
        (
            {"objectives": (PolicyObjective("slow", max_latency="500ms"),)},
            "objectives[0].maxLatency",
            'such as "99% < 500ms"',
        ),
        (
            {"objectives": (PolicyObjective("payments", template="failed-payment", max_bad="1%"),)},
            "objectives[0].template",
            'did you mean "failed-payments"?',
        ),
        (
            {"objectives": (PolicyObjective("payments", template="zzz", max_bad="1%"),)},
            "objectives[0].template",
            "metric templates are: failed-payments, queue",
        ),
        (
            {"objectives": (PolicyObjective("payments", template="failed-payments", max_bad="1"),)},
            "objectives[0].maxBad",
            'did you mean "1%"?',
        ),
        (
            {"objectives": (PolicyObjective("a", max_latency="99% < 1s"),) * 2},
            "objectives[1].name",
            "stands there twice",
        ),
        ({"objectives": (PolicyObjective("a", max_latency="99% < 1s"),) * 11}, "objectives", "at most 10"),
        (
            {"objectives": (on_queue(at_most=None, max_bad="1%"),)},
            "objectives[0].maxBad",
            'the template "queue" is a gauge: write atMost or atLeast with a number instead',
        ),
        (
            {"objectives": (on_queue(template="failed-payments"),)},
            "objectives[0].atMost",
            'the template "failed-payments" is a pair of counters: write maxBad with a percentage instead',
        ),
        ({"objectives": (on_queue(at_most=float("inf")),)}, "objectives[0].atMost", "finite"),
        ({"objectives": (on_queue(at_most=float("nan")),)}, "objectives[0].atMost", "finite"),
        ({"objectives": (on_queue(failures=-1),)}, "objectives[0].failures", "from 0 to 1000"),
        ({"objectives": (on_queue(consecutive=0),)}, "objectives[0].consecutive", "from 1 to 1000"),
        (
            {"objectives": (on_queue(consecutive=5),)},
            "objectives[0].consecutive",
            "as failures is 2; write at most 3, or failures: 5",
        ),
        ({"objectives": (on_queue(every="10"),)}, "objectives[0].every", 'write "10s"'),
        ({"objectives": (on_queue(every="500ms"),)}, "objectives[0].every", "from 1s to 1h"),
    ],
)
def test_what_is_wrong_in_a_policy_is_told_with_its_place(said, where, remedy):
    (problem,) = problems_of(policy(**said), defaults())
    assert problem.where == PLACE + where
    assert remedy in problem.remedy
    assert policy_problems(policy(**said), defaults()) == (problem,)


def test_where_the_defaults_are_not_known_nothing_is_said_to_contradict_what_they_may_say():
    slow = policy(steps=(PolicyStep(100, "90m"),))
    assert plan_of(slow, Provided()).steps == (Step(100, 5400.0),)
    assert policy_problems(slow, Provided()) == ()
    (problem,) = policy_problems(slow, NOTHING_PROVIDED)
    assert "write a longer deadline" in problem.remedy
    (problem,) = policy_problems(policy(steps=(PolicyStep(100, "90m"),), deadline="1h"), Provided())
    assert problem.where == PLACE + "deadline"


def test_names_of_a_policys_own_trial_contradict_nothing():
    assert policy_problems(policy(canary="service"), NOTHING_PROVIDED) == ()
    assert policy_problems(policy(stable="service-canary"), NOTHING_PROVIDED) == ()


def test_contradiction_names_the_two_places_where_it_stands():
    (problem,) = problems_of(policy(steps=(PolicyStep(100, "2h"),)), deadline="1h")
    assert problem.where == PREFIX + "deadline"
    assert f"the steps of {PLACE}steps take at least 2h" in problem.remedy


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PolicySpec(steps=()), "steps: write at least one"),
        (lambda: PolicySpec(virtual_services=()), "virtualServices: write at least one"),
        (lambda: PolicyStep(0), "from 1 to 100"),
        (lambda: PolicyStep(10, "5"), 'bake: a duration needs a unit: write "5s"'),
        (lambda: PolicyStep(10, "2m,50@5m"), "bake: write a duration"),
        (lambda: PolicyObjective("Slow", max_latency="99% < 1s"), "lower case"),
        (lambda: PolicyObjective("latency", max_latency="99% < 1s"), "is taken"),
        (lambda: PolicyObjective("slow"), "either maxLatency, or template"),
        (lambda: PolicyObjective("slow", "99% < 1s", "t", "1%"), "either maxLatency, or template"),
        (lambda: PolicyObjective("slow", template="t"), "belong together"),
        (lambda: PolicyObjective("slow", "99% < 1s", max_bad="1%"), "belong together"),
        (lambda: PolicyObjective("slow", "99% < 1s", at_most=5.0), "belong together"),
        (lambda: on_queue(at_least=1.0), "write one bound"),
        (lambda: on_queue(max_bad="1%"), "write one bound"),
        (lambda: on_queue(at_most=None, max_bad="1%", every="5s"), "every: leave it out"),
        (lambda: on_queue(at_most=None, max_bad="1%", failures=0), "failures: leave it out"),
        (lambda: PolicyObjective("slow", "99% < 1s", consecutive=2), "consecutive: leave it out"),
    ],
)
def test_what_can_never_be_right_cannot_be_made(make, words):
    with pytest.raises(ValueError, match=words.replace("?", r"\?").replace("(", r"\(")):
        make()


def test_policy_that_cannot_be_used_is_a_problem_of_the_annotation_that_names_it():
    gone = Unavailable('"standard", which does not exist', "create it")
    (problem,) = problems_of(gone)
    assert problem == Problem(PREFIX + "policy", '"standard", which does not exist', "create it")


def test_a_named_policy_that_nobody_looked_up_never_means_defaults():
    (problem,) = problems_of(None, policy="standard")
    assert problem.where == PREFIX + "policy"


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ({"enabled": "true", "policy": "standard"}, PolicyRef("standard")),
        ({"enabled": "true", "policy": " platform/standard "}, PolicyRef("standard", "platform")),
        ({"enabled": "true", "policy": "a/b/c"}, None),
        ({"enabled": "true"}, None),
        ({"policy": "standard"}, None),
    ],
)
def test_policy_that_is_named_is_known_before_the_plan_is(written, named):
    assert policy_named_by({PREFIX + name: text for name, text in written.items()}) == named


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Counter('payments_total{a="b"}'), "the name of a counter"),
        (lambda: Counter("rate(x[1m])"), "the name of a counter"),
        (lambda: Counter("x", {'a="b",c': ("d",)}), "names of labels"),
        (lambda: Counter("x", {"__name__": ("y",)}), "names of labels"),
        (lambda: Counter("x", {"a": ()}), "1 to 50 values"),
        (lambda: Counter("x", {"a": ("b\n",)}), "printable"),
        (lambda: MetricTemplate(Counter("x"), Counter("x")), "the same series"),
        (lambda: MetricTemplate(Counter("x"), Counter("y"), pod_label="a-b"), "name of a label"),
    ],
)
def test_metric_template_holds_names_and_values_never_queries(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_counter_selects_its_series_by_name_and_labels():
    counter = Counter("payments_total", {"result": ("failed", "refused")})
    assert counter.selects({"__name__": "payments_total", "result": "refused", "pod": "x"})
    assert not counter.selects({"__name__": "payments_total", "result": "ok"})
    assert not counter.selects({"__name__": "payments_total"})
    assert not counter.selects({"__name__": "others_total", "result": "failed"})
