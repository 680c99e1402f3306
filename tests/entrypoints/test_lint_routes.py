"""canaryctl lint doubts what stands around a service, where the files have enough of it to tell."""

from pathlib import Path

import pytest

from canary.entrypoints.findings import Severity
from tests.entrypoints.test_lint import ROOT, findings, run, told

CHECKOUT = (ROOT / "config" / "samples" / "checkout.yaml").read_text()
GATEWAY = (ROOT / "config" / "samples" / "gateway.yaml").read_text()
WITH_GATEWAY = CHECKOUT.replace(
    'canaryctl.dev/enabled: "true"',
    'canaryctl.dev/enabled: "true"\n    canaryctl.dev/virtual-services: checkout,shop.istio-ingress/checkout',
)


def test_hosts_are_read_in_the_domain_of_the_cluster(tmp_path: Path) -> None:
    settings = tmp_path / "controller.yaml"
    settings.write_text("controller: {cluster_domain: corp.example}")
    text = CHECKOUT.replace("{host: checkout,", "{host: checkout.shop.svc.corp.example,")
    assert "no http route" in run("-", "--strict", text=text).stdout
    assert run("-", "--strict", "--settings", str(settings), text=text).stdout == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CHECKOUT.replace("name: checkout-canary", "name: checkout-next"), "no Deployment checkout-canary"),
        (CHECKOUT.replace("- name: canary\n", "- name: next\n"), "subset canary of checkout.shop"),
        (
            CHECKOUT.replace(
                "        - destination: {host: checkout, subset: stable}\n          weight: 100\n", ""
            ),
            "no http route with destinations for both",
        ),
        (CHECKOUT.replace("weight: 100", "weight: -1"), "weights start at 0"),
        (
            WITH_GATEWAY.replace("virtual-services: checkout,", "virtual-services: chekout,"),
            "chekout, but namespace shop has checkout",
        ),
        (
            WITH_GATEWAY + "---\n" + GATEWAY.replace("canaryctl.dev/shared-with: shop", "team: edge"),
            "shop.istio-ingress, which is not shared with namespace shop",
        ),
    ],
)
def test_what_the_files_around_a_service_lack_is_doubted(text: str, words: str) -> None:
    found = findings(text)
    assert {item.severity for item in found} == {Severity.WARNING}
    assert any(words in item.message for item in found), [str(item) for item in found]


def test_what_is_wrong_with_a_route_is_told_where_the_route_stands(tmp_path: Path) -> None:
    """Also in a file of its own, and for a service whose wishes are all right."""
    *others, routes = CHECKOUT.replace("weight: 100", "weight: -1").split("---\n")
    (tmp_path / "app.yaml").write_text("---\n".join(others))
    (tmp_path / "routes.yaml").write_text(routes)
    line = routes.splitlines().index("    - name: main") + 1
    (told,) = run(str(tmp_path)).stdout.splitlines()
    assert told.startswith(f"{tmp_path}/routes.yaml:{line}: warning: Service shop/checkout: checkout http[1]")


def test_what_is_wrong_with_all_routes_is_told_where_their_virtual_service_stands(tmp_path: Path) -> None:
    without = "        - destination: {host: checkout, subset: stable}\n          weight: 100\n"
    *others, routes = CHECKOUT.replace(without, "").split("---\n")
    (tmp_path / "app.yaml").write_text("---\n".join(others))
    (tmp_path / "routes.yaml").write_text(routes)
    (told,) = run(str(tmp_path)).stdout.splitlines()
    assert told.startswith(f"{tmp_path}/routes.yaml:4: warning: Service shop/checkout: VirtualServices of")


def test_a_virtual_service_that_is_named_and_not_there_is_told_where_it_is_named() -> None:
    text = WITH_GATEWAY.replace("virtual-services: checkout,", "virtual-services: chekout,")
    named = next(number for number, line in enumerate(text.splitlines(), 1) if "chekout" in line)
    assert named in {item.line for item in findings(text) if "chekout" in item.message}


@pytest.mark.parametrize("text", [CHECKOUT, WITH_GATEWAY, WITH_GATEWAY + "---\n" + GATEWAY])
def test_where_everything_is_there_nothing_is_doubted(text: str) -> None:
    assert told(text) == []


def parts(*kinds: str) -> str:
    """The objects of the sample that are of these kinds."""
    return "---\n".join(
        each for each in CHECKOUT.split("---\n") if each.partition("kind: ")[2].split()[0] in kinds
    )


PAY = """
---
apiVersion: v1
kind: Service
metadata: {name: pay, namespace: shop}
spec: {selector: {app: pay}}
"""
ROUTE_TO_PAY = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: pay, namespace: shop}
spec: {hosts: [pay], http: [{route: [{destination: {host: pay}}]}]}
"""
NO_ROUTE = "VirtualServices of namespace shop: found none that sends to checkout.shop.svc.cluster.local"


@pytest.mark.parametrize("kinds", [("Service",), ("Service", "Deployment", "DestinationRule")])
def test_a_service_that_no_virtual_service_leads_to_is_doubted(kinds: tuple[str, ...]) -> None:
    (line,) = told(parts(*kinds) + PAY + ROUTE_TO_PAY)
    assert f"12: warning: Service shop/checkout: {NO_ROUTE}" in line
    assert "create one with a destination for each of checkout and checkout-canary" in line


@pytest.mark.parametrize(
    "text",
    [
        parts("Service"),
        parts("Service", "Deployment"),
        parts("Service", "VirtualService"),
        parts("Service", "VirtualService", "DestinationRule"),
        parts("Service") + PAY,
        # Of a Service that the files do not have nobody knows whose pods it selects.
        parts("Service") + ROUTE_TO_PAY,
        # Nor which of the pods of this one it selects.
        parts("Service") + PAY.replace("app: pay", "app: checkout, track: canary") + ROUTE_TO_PAY,
        parts("Service") + PAY + ROUTE_TO_PAY.replace("namespace: shop", "namespace: elsewhere"),
        parts("Service")
        + (PAY + ROUTE_TO_PAY).replace("hosts: [pay]", 'hosts: ["*.shop.svc.cluster.local"]'),
        parts("Deployment", "VirtualService", "DestinationRule"),
    ],
)
def test_where_files_have_too_little_to_tell_nothing_is_said(text: str) -> None:
    assert told(text) == []


def test_deployments_of_another_namespace_are_told_of() -> None:
    text = parts("Service") + "---\n" + parts("Deployment").replace("namespace: shop", "namespace: shpo")
    stable, canary = told(text)
    assert (
        "the stable workload: found no Deployment checkout in namespace shop; there is one in shpo" in stable
    )
    assert "the canary workload: found no Deployment checkout-canary in namespace shop" in canary


def test_of_many_deployments_that_are_not_the_right_one_a_few_are_named() -> None:
    others = "".join(
        f"---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d{number}, namespace: shop}}\n"
        for number in range(8)
    )
    assert (
        "the files have the Deployments d0, d1, d2, d3, d4 and 3 more" in told(parts("Service") + others)[0]
    )


@pytest.mark.parametrize(
    "kinds", [("Service", "Deployment"), ("Service", "Deployment", "DestinationRule", "VirtualService")]
)
def test_pods_that_no_service_selects_are_told_of_where_their_labels_stand(kinds: tuple[str, ...]) -> None:
    text = parts(*kinds).replace("{app: checkout, track: canary}", "{app: chekout, track: canary}")
    labels = [number for number, line in enumerate(text.splitlines(), 1) if "labels: {app: chekout" in line]
    (found,) = findings(text)
    assert (found.severity, found.line, found.object) == (
        Severity.WARNING,
        labels[0],
        "Service shop/checkout",
    )
    assert found.message.startswith(
        "the canary workload, Deployment checkout-canary: found pods with app=chekout,track=canary, which no "
        "Service here selects; give them what Service checkout selects, app=checkout"
    )


def test_pods_that_another_service_selects_are_not_misrouted() -> None:
    apart = parts("Service", "Deployment").replace("app: checkout\n  ports", "track: stable\n  ports")
    assert "which no Service here selects" in told(apart)[0]
    assert told(apart + PAY.replace("app: pay", "track: canary")) == []
    # Routes may lead to a Service that is not among the files, and that selects them.
    both = "{destination: {host: checkout}, weight: 100}, {destination: {host: checkout-canary}, weight: 0}"
    assert told(apart + ROUTE_TO_PAY.replace("{destination: {host: pay}}", both)) == []


def test_labels_that_are_no_texts_leave_a_deployment_there() -> None:
    text = CHECKOUT.replace("labels: {app: checkout, track: canary}", "labels: {app: checkout, track: 1}")
    assert told(text) == []
