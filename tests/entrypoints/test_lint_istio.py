"""canaryctl lint warns of what Istio does to a release unexpectedly, and of nothing else."""

import pytest

from canary.entrypoints.findings import Finding, Severity
from tests.entrypoints.test_lint import findings
from tests.entrypoints.test_lint_routes import CHECKOUT

RETRIES = "connect-failure,refused-stream"
ONE_POD = CHECKOUT.replace(
    "  # No replicas here: Canary starts the pods of a release and ends them after it.", "  replicas: 1"
)
EJECTING = "trafficPolicy: {outlierDetection: {consecutive5xxErrors: 5}}"
ON_THE_SUBSET = ("labels: {track: canary}\n---", f"labels: {{track: canary}}\n      {EJECTING}\n---")
ON_THE_RULE = ("  host: checkout\n", f"  host: checkout\n  {EJECTING}\n")


def only(text: str) -> Finding:
    (found,) = findings(text)
    assert found.severity is Severity.WARNING
    return found


def another(
    name: str = "other",
    namespace: str = "shop",
    hosts: str = "[checkout]",
    match: str = "",
    more: str = "",
) -> str:
    """A VirtualService of somebody else, with one route."""
    return f"""---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  hosts: {hosts}
  {more}
  http:
    - route: [{{destination: {{host: legacy.attic.svc.cluster.local}}}}]
      {match}
"""


@pytest.mark.parametrize("conditions", ["5xx", "connect-failure,gateway-error", "503", "cancelled, internal"])
def test_retries_that_hide_the_applications_errors_are_doubted_at_their_route(conditions: str) -> None:
    text = CHECKOUT.replace(RETRIES, conditions)
    found = only(text)
    assert "checkout http[1].retries: found attempts 2 on " in found.message
    assert "a canary that fails some attempts passes" in found.message
    assert found.line == text.splitlines().index("    - name: main") + 1


@pytest.mark.parametrize(
    "retries",
    [
        'retries: {attempts: 2, retryOn: "connect-failure,refused-stream,reset"}',
        "retries: {attempts: 3}",
        "retries: {attempts: 0, retryOn: 5xx}",
        "retries: {attempts: many, retryOn: 5xx}",
        "retries: often",
        "",
    ],
)
def test_retries_that_hide_no_answer_of_the_application_are_left_alone(retries: str) -> None:
    whole = next(line for line in CHECKOUT.splitlines() if "retries:" in line)
    assert findings(CHECKOUT.replace(whole.strip(), retries)) == ()


def test_retries_of_a_route_that_is_not_shifted_are_nobodys_business() -> None:
    text = CHECKOUT.replace(
        "    # These two weights", "      retries: {attempts: 2, retryOn: 5xx}\n    # These"
    )
    assert findings(text) == ()


@pytest.mark.parametrize(
    ("change", "where"),
    [(ON_THE_RULE, "spec.trafficPolicy"), (ON_THE_SUBSET, "spec.subsets[1].trafficPolicy")],
)
def test_ejection_of_a_canarys_only_pod_is_doubted_where_it_is_written(
    change: tuple[str, str], where: str
) -> None:
    text = ONE_POD.replace(*change)
    found = only(text)
    assert (
        f"{where}.outlierDetection: found ejection of pods, and Deployment checkout-canary" in found.message
    )
    line = next(number for number, each in enumerate(text.splitlines(), 1) if "outlierDetection" in each)
    assert line - found.line in {0, 1}


def test_ejection_is_no_surprise_where_there_may_be_more_pods() -> None:
    for text in (CHECKOUT, ONE_POD.replace("replicas: 1", "replicas: 2")):
        assert findings(text.replace(*ON_THE_RULE)) == ()
    assert findings(ONE_POD) == ()


@pytest.mark.parametrize(
    "text",
    [
        another(match="match: [{uri: {prefix: /old}}]"),
        another(namespace="edge", hosts="[checkout.shop.svc.cluster.local]"),
        another(namespace="edge", hosts="[checkout.shop.svc.cluster.local]", more="exportTo: [shop]"),
        another(more="gateways: [mesh, edge/public]"),
    ],
)
def test_a_second_virtual_service_for_the_host_in_the_mesh_is_doubted(text: str) -> None:
    found = only(CHECKOUT + text)
    assert "found a second one, other." in found.message
    assert "for host checkout.shop.svc.cluster.local in the mesh" in found.message


@pytest.mark.parametrize(
    "text",
    [
        another(hosts="[another]"),
        another(namespace="edge"),
        another(namespace="edge", hosts="[checkout.shop.svc.cluster.local]", more='exportTo: ["."]'),
        another(more="gateways: [edge/public]"),
        another(hosts="[]"),
    ],
)
def test_what_serves_another_host_or_elsewhere_is_not_doubted(text: str) -> None:
    assert findings(CHECKOUT + text) == ()


AT_THE_GATEWAY = CHECKOUT.replace("hosts: [checkout]", "hosts: [shop.example]\n  gateways: [edge/public]")


def test_a_second_one_at_the_gateway_is_doubted_where_it_takes_every_request() -> None:
    at_the_same = "gateways: [edge/public]"
    found = only(AT_THE_GATEWAY + another(hosts="[shop.example]", more=at_the_same))
    assert "for host shop.example at gateway edge/public" in found.message
    by_path = another(hosts="[shop.example]", more=at_the_same, match="match: [{uri: {prefix: /old}}]")
    assert findings(AT_THE_GATEWAY + by_path) == ()
    assert findings(AT_THE_GATEWAY + another(hosts="[shop.example]", more="gateways: [public]")) == ()
