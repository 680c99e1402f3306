"""Claims about whose a series is: a pod's name says its Deployment and never another one's."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.app.attribution import Arm, Share, Slot, shares
from canary.domain.metric_template import Counter, MetricTemplate
from canary.domain.pod_names import deployment_of
from tests.app.metrics_world import PAYMENT_TEMPLATE, PAYMENTS, TARGET, payment_labels, pod_of, request_labels

KUBERNETES_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
KUBERNETES_LONGEST = 63

hashes = st.integers(0, 2**32 - 1)
endings = st.text(KUBERNETES_LETTERS, min_size=5, max_size=5)
names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,70}[a-z0-9])?", fullmatch=True) | st.builds(
    "{}-{}".format,
    st.sampled_from(["checkout", "checkout-canary", "a"]),
    # Names that look like what Kubernetes adds.
    st.sampled_from(["v2", "canary", "db", "5d9c7b8f6d", "x7k2p", "5d9c7b8f6d-x7k2p", "0"]),
)
MINE = replace(TARGET, objectives=(PAYMENTS,))


def pod_name(deployment: str, number: int, ending: str) -> str:
    """As Kubernetes makes it: each digit of the hash becomes a letter, and the end is never cut."""
    digest = "".join(KUBERNETES_LETTERS[ord(digit) % 27] for digit in str(number))
    return f"{deployment}-{digest}-"[: KUBERNETES_LONGEST - 5] + ending


def arms(labels: dict[str, str], **template: str) -> list[Arm]:
    objective = replace(PAYMENTS, template=replace(PAYMENT_TEMPLATE, **template))
    return [each.slot.arm for each in shares(labels, replace(MINE, objectives=(objective,)))]


@given(names, hashes, endings)
def test_a_pods_name_says_its_deployment_unless_it_may_have_been_cut(
    name: str, number: int, ending: str
) -> None:
    pod = pod_name(name, number, ending)
    assert deployment_of(pod) == (name if len(pod) < KUBERNETES_LONGEST else None)


@given(names, names, hashes, endings)
def test_a_deployment_never_gets_anothers_pods(mine: str, other: str, number: int, ending: str) -> None:
    if mine != other:
        assert deployment_of(pod_name(other, number, ending)) != mine


@pytest.mark.parametrize(
    "pod",
    [
        "",
        "checkout",
        "checkout-0",
        "checkout-x7k2p",
        "checkout-v2-x7k2p",
        "checkout-28394050-x7k2p",
        "checkout-5d9c7b8f6d",
        "checkout-5d9c7b8f6d-x7k2",
        "checkout-5d9c7b8f6d-x7k2pp",
        "checkout-5d9c7b8f6da-x7k2p",
        "checkout-5d9c7b8f6d-x7k2a",
        "-5d9c7b8f6d-x7k2p",
        "5d9c7b8f6d-x7k2p",
        "checkout-5d9c7b8f6d-x7k2p\n",
    ],
)
def test_what_is_no_pod_of_a_deployment_is_nobodys(pod: str) -> None:
    assert deployment_of(pod) is None


@pytest.mark.parametrize(
    ("workload", "expected"),
    [
        ("checkout", [Arm.STABLE]),
        ("checkout-canary", [Arm.CANARY]),
        ("checkout-v2", []),
        ("checkout-canary-v2", []),
        ("check", []),
    ],
)
def test_events_of_a_pod_are_those_of_its_own_workload_alone(workload: str, expected: list[Arm]) -> None:
    assert arms({**payment_labels(), **pod_of(workload)}) == expected
    assert arms({**payment_labels(), "namespace": "shop", "app": workload}, workload_label="app") == expected


def test_another_namespaces_pods_are_none_of_a_releases_business() -> None:
    assert arms({**payment_labels(), **pod_of("checkout", namespace="staging")}) == []
    assert arms({**payment_labels(), "pod": pod_of("checkout")["pod"]}) == []


def test_labels_are_those_that_the_template_names() -> None:
    elsewhere = {"k8s_namespace": "shop", "k8s_pod": pod_of("checkout-canary")["pod"]}
    named = {"namespace_label": "k8s_namespace", "pod_label": "k8s_pod"}
    # The exporter's own pod, which scraping adds, is not asked.
    labels = {**payment_labels(), **elsewhere, **pod_of("checkout", namespace="monitoring")}
    assert arms(labels, **named) == [Arm.CANARY]
    assert arms(labels) == []


def test_a_pod_label_is_not_looked_at_where_a_workload_label_is_named() -> None:
    assert arms({**payment_labels(), **pod_of("checkout")}, workload_label="app") == []


@pytest.mark.parametrize(
    ("template", "labels", "events", "bad"),
    [
        (MetricTemplate(Counter("a"), Counter("a", {"r": ("x",)})), {"__name__": "a", "r": "x"}, 1, 1),
        (MetricTemplate(Counter("a"), Counter("a", {"r": ("x",)})), {"__name__": "a", "r": "y"}, 1, 0),
        (MetricTemplate(Counter("a"), Counter("b")), {"__name__": "b"}, 0, 1),
        (MetricTemplate(Counter("a"), Counter("a", {"r": ("",)})), {"__name__": "a"}, 1, 1),
    ],
)
def test_a_series_counts_as_total_as_bad_or_as_both(
    template: MetricTemplate, labels: dict[str, str], events: int, bad: int
) -> None:
    target = replace(MINE, objectives=(replace(PAYMENTS, template=template),))
    found = shares({**labels, **pod_of("checkout")}, target)
    assert list(found) == [Share(Slot("payments", Arm.STABLE), events, bad)]


def test_what_is_neither_total_nor_bad_is_nothing() -> None:
    assert shares({"__name__": "refunds_total", **pod_of("checkout")}, MINE) == []


def test_a_template_does_not_make_other_hosts_requests_the_releases() -> None:
    others = request_labels(destination_service="orders.shop.svc.cluster.local")
    assert list(shares({**others, **pod_of("checkout")}, MINE)) == []
