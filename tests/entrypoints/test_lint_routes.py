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
