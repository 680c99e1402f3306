"""canaryctl lint warns of what Istio does around right routes, and is silent where it changes nothing."""

from pathlib import Path

import pytest
import yaml

from canary.entrypoints.findings import Severity
from tests.entrypoints.test_lint import findings, run, told
from tests.entrypoints.test_lint_routes import CHECKOUT, GATEWAY, WITH_GATEWAY, parts

HARMLESS = 'retries: {attempts: 2, perTryTimeout: 2s, retryOn: "connect-failure,refused-stream"}'
HEAD = "\n---\napiVersion: networking.istio.io/v1\nkind: "
SUBSET = "      labels: {track: canary}\n---"
PAIR = """\
  http:
    - route:
        - {destination: {host: checkout.shop.svc.cluster.local, subset: stable}, weight: 100}
        - {destination: {host: checkout.shop.svc.cluster.local, subset: canary}, weight: 0}
"""
TO_STABLE = "[{route: [{destination: {host: checkout.shop.svc.cluster.local, subset: stable}}]}]"


def line_of(text: str, words: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if words in line)


def messages(text: str) -> list[str]:
    found = findings(text)
    assert {item.severity for item in found} <= {Severity.WARNING}
    return [item.message for item in found]


# Retries


def with_retries(written: str) -> str:
    assert HARMLESS in CHECKOUT
    return CHECKOUT.replace(HARMLESS, written)


def test_retries_of_errors_are_told_of_where_they_stand() -> None:
    text = with_retries("retries: {attempts: 5, retryOn: 'connect-failure, 5xx, 503'}")
    (found,) = findings(text)
    assert (found.severity, found.line) == (Severity.WARNING, line_of(text, "retries:"))
    assert str(found) == (
        f"x.yaml:{found.line}: warning: Service shop/checkout: "
        "VirtualService checkout, spec.http[1].retries: found up to 5 on 5xx,503: users, and so the verdict, "
        "meet the last attempt only, and a canary that often fails may pass; retry only what reached no pod "
        "(retryOn: connect-failure,refused-stream), or look at the pods' own count of attempts in canaryctl "
        "explain"
    )


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("retries: {attempts: 1, retryOn: gateway-error}", "up to 1 on gateway-error"),
        ("retries: {attempts: 1, retryOn: '500,404'}", "up to 1 on 500"),
        ("retries: {attempts: 1, retryOn: 'cancelled,unavailable'}", "up to 1 on unavailable"),
    ],
)
def test_conditions_that_hide_errors_are_named(written: str, words: str) -> None:
    (message,) = messages(with_retries(written))
    assert words in message


@pytest.mark.parametrize(
    "written",
    [
        HARMLESS,
        "",
        "retries: null",
        "retries: {attempts: 0, retryOn: 5xx}",
        "retries: {attempts: 3, perTryTimeout: 2s}",
        # Istio takes attempts that are not written for none.
        "retries: {retryOn: 5xx}",
        "retries: {attempts: 2, retryOn: 'reset-before-request,retriable-4xx,409'}",
        "retries: {attempts: many, retryOn: 5xx}",
        "retries: 5xx",
    ],
)
def test_retries_that_hide_no_error_are_not_told_of(written: str) -> None:
    assert told(with_retries(written)) == []


def test_retries_of_a_route_that_is_not_shifted_are_not_told_of() -> None:
    testers = "    - name: testers\n"
    assert testers in CHECKOUT
    text = CHECKOUT.replace(testers, testers + "      retries: {attempts: 5, retryOn: 5xx}\n")
    assert told(text) == []


def test_retries_are_told_of_without_the_deployments_too() -> None:
    text = with_retries("retries: {attempts: 5, retryOn: 5xx}")
    *_, routes = text.split("---\n")
    assert len(messages(parts("Service") + "---\n" + routes)) == 1


DELEGATE = CHECKOUT.replace("  hosts: [checkout]\n", "").replace(HARMLESS, "mirrors: []")
ROOT = (
    HEAD
    + """VirtualService
metadata: {name: root, namespace: istio-ingress}
spec:
  hosts: [shop.example.com]
  gateways: [public]
  http:
    - delegate: {name: checkout, namespace: shop}
      retries: {attempts: 2, retryOn: 5xx}
"""
)


def test_retries_of_a_route_that_delegates_are_those_of_the_delegate_unless_it_has_its_own() -> None:
    (message,) = messages(DELEGATE + ROOT)
    assert message.startswith("VirtualService root.istio-ingress, spec.http[0].retries: found up to 2 on 5xx")
    assert told(DELEGATE.replace("mirrors: []", HARMLESS) + ROOT) == []


# Outlier detection


def with_detection(host: str = "", subset: str = "") -> str:
    assert SUBSET in CHECKOUT
    text = CHECKOUT.replace(
        SUBSET, SUBSET.replace("---", f"      trafficPolicy: {subset}\n---") if subset else SUBSET
    )
    return (
        text.replace("  host: checkout\n", f"  host: checkout\n  trafficPolicy: {host}\n") if host else text
    )


def another_rule(host: str, namespace: str = "shop") -> str:
    metadata = f"metadata: {{name: another, namespace: {namespace}}}"
    return f"{HEAD}DestinationRule\n{metadata}\nspec: {{host: {host}, trafficPolicy: {ALL}}}\n"


ALL = "{outlierDetection: {consecutive5xxErrors: 3, maxEjectionPercent: 100}}"
SOME = "{outlierDetection: {consecutive5xxErrors: 3}}"


def test_outlier_detection_that_may_take_out_every_pod_is_told_of_where_it_stands() -> None:
    text = with_detection(host=ALL)
    (found,) = findings(text)
    assert (found.severity, found.line) == (Severity.WARNING, line_of(text, "trafficPolicy"))
    assert found.message == (
        "DestinationRule checkout, spec.trafficPolicy.outlierDetection: found maxEjectionPercent 100 without "
        "minHealthPercent for checkout.shop.svc.cluster.local subset canary, the canary: a few errors take "
        "out its only pod, or all of them, and Envoy answers 503 in their place; write a lower "
        "maxEjectionPercent, or a minHealthPercent, which has Envoy send to a pod anyway"
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (with_detection(subset=ALL), "spec.subsets[1].trafficPolicy.outlierDetection"),
        (with_detection(host=SOME, subset=ALL), "spec.subsets[1].trafficPolicy.outlierDetection"),
        (
            with_detection(host=ALL, subset="{loadBalancer: {simple: RANDOM}}"),
            "spec.trafficPolicy.outlierDetection",
        ),
        (
            with_detection(host=f"{{portLevelSettings: [{{port: {{number: 80}}, {ALL[1:-1]}}}]}}"),
            "spec.trafficPolicy.portLevelSettings[0].outlierDetection",
        ),
        (
            with_detection(host=ALL.replace("5xxErrors: 3", "5xxErrors: 0, consecutiveGatewayErrors: 1")),
            "spec.trafficPolicy.outlierDetection",
        ),
        (
            with_detection(host="{outlierDetection: {maxEjectionPercent: 100}}"),
            "spec.trafficPolicy.outlierDetection",
        ),
        (
            with_detection(host=ALL).replace("host: checkout\n", "host: '*.shop.svc.cluster.local'\n"),
            "spec.trafficPolicy.outlierDetection",
        ),
    ],
)
def test_outlier_detection_is_found_wherever_it_may_stand(text: str, place: str) -> None:
    (message,) = messages(text)
    assert message.startswith(f"DestinationRule checkout, {place}: found maxEjectionPercent 100")


@pytest.mark.parametrize(
    "text",
    [
        with_detection(host=SOME),
        with_detection(host="{outlierDetection: {}}"),
        with_detection(host="{outlierDetection: {maxEjectionPercent: 50}}"),
        with_detection(host="{outlierDetection: {maxEjectionPercent: 100, minHealthPercent: 30}}"),
        with_detection(host="{outlierDetection: {consecutive5xxErrors: 0, maxEjectionPercent: 100}}"),
        with_detection(host="{outlierDetection: {maxEjectionPercent: all}}"),
        with_detection(host="{outlierDetection: null, portLevelSettings: 80}"),
        # A subset's own comes in place of the host's.
        with_detection(host=ALL, subset=SOME),
        CHECKOUT.replace("    - name: canary", f"      trafficPolicy: {ALL}\n    - name: canary"),
        # Of another host, in another namespace, or of a pattern where the host has a rule of its own.
        CHECKOUT + another_rule("pay"),
        CHECKOUT + another_rule("checkout", namespace="pay"),
        CHECKOUT + another_rule("'*'"),
    ],
)
def test_outlier_detection_that_leaves_a_pod_or_is_another_ones_is_not_told_of(text: str) -> None:
    assert told(text) == []


# Rivals


def beside(spec: str, name: str = "other", namespace: str = "shop") -> str:
    return f"{HEAD}VirtualService\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n{spec}"


def rival(hosts: str, *more: str, http: str = TO_STABLE, namespace: str = "shop") -> str:
    return beside(
        "".join(f"  {line}\n" for line in (f"hosts: {hosts}", *more, f"http: {http}")), "other", namespace
    )


def test_second_virtual_service_of_the_host_in_the_mesh_is_told_of_where_its_hosts_stand() -> None:
    text = CHECKOUT + rival("[checkout]")
    (found,) = findings(text)
    assert (found.severity, found.line) == (Severity.WARNING, len(text.splitlines()) - 1)
    assert found.message == (
        "VirtualService other, spec.hosts: found checkout.shop.svc.cluster.local, a host of VirtualService "
        "checkout, too: sidecars take one of the two alone, as a rule the older; keep one of them for the "
        "mesh, or the weights in checkout may never be in force"
    )


@pytest.mark.parametrize(
    "other",
    [
        rival("[Checkout.shop.svc.cluster.local]", namespace="pay"),
        rival("[checkout]", "gateways: [public, mesh]"),
        rival("[pay, checkout]"),
        rival("[checkout]", "exportTo: ['.']"),
        rival("[checkout.shop.svc.cluster.local]", "exportTo: [pay, shop]", namespace="pay"),
        rival("[checkout]", http="[{match: [{uri: {prefix: /a}}], redirect: {uri: /b}}]"),
    ],
)
def test_second_one_is_found_by_its_full_name_its_gateways_and_who_sees_it(other: str) -> None:
    (message,) = messages(CHECKOUT + other)
    assert "sidecars take one of the two alone" in message


@pytest.mark.parametrize(
    "other",
    [
        rival("[checkout]", "gateways: [public]"),
        rival("[checkout]", "gateways: [mesh]", http="[]"),
        # Short names belong to their own namespace, and names with a dot are no Service's.
        rival("[checkout]", namespace="pay"),
        rival("[checkout.shop]"),
        rival("[pay]"),
        # A host that is named in full comes before a pattern.
        rival("['*.shop.svc.cluster.local']"),
        rival("[checkout]", "exportTo: ['~']"),
        rival("[checkout]", http="[{match: [{sourceLabels: {app: pay}}], redirect: {uri: /}}]"),
        rival("[checkout]", "gateways: [mesh, a]", http="[{match: [{gateways: [a]}], redirect: {uri: /}}]"),
        # Where both have the weights both are shifted.
        beside("  hosts: [checkout]\n" + PAIR),
        # A delegate has no hosts.
        beside(f"  http: {TO_STABLE}\n"),
        beside("  hosts: [checkout]\n  tcp: [{route: [{destination: {host: checkout, subset: stable}}]}]\n"),
    ],
)
def test_those_that_leave_the_weights_in_force_are_not_told_of(other: str) -> None:
    assert told(CHECKOUT + other) == []


def test_two_that_no_namespace_sees_together_are_no_rivals() -> None:
    ours = CHECKOUT.replace("  hosts: [checkout]\n", "  hosts: [checkout]\n  exportTo: ['.']\n")
    other = rival("[checkout.shop.svc.cluster.local]", "exportTo: ['.']", namespace="pay")
    assert told(ours + other) == []
    assert len(told(CHECKOUT + other)) == 1


def test_virtual_service_that_has_the_weights_but_is_not_shifted_is_told_of() -> None:
    other = beside("  hosts: [checkout]\n" + PAIR)
    named = 'canaryctl.dev/enabled: "true"\n    canaryctl.dev/virtual-services: checkout'
    only_ours = CHECKOUT.replace('canaryctl.dev/enabled: "true"', named)
    assert told(CHECKOUT + other) == []
    assert len(told(only_ours + other)) == 1


def test_services_that_did_not_opt_in_have_no_surprises() -> None:
    text = with_retries("retries: {attempts: 5, retryOn: 5xx}") + rival("[checkout]")
    assert len(told(text)) == 2
    assert told(text.replace('enabled: "true"', 'enabled: "false"')) == []
    assert told(yaml.safe_dump_all(without_annotations(text))) == []


def without_annotations(text: str) -> list[object]:
    items = list(yaml.safe_load_all(text))
    for item in items:
        item["metadata"].pop("annotations", None)
    return items


AT_GATEWAY = WITH_GATEWAY + "---\n" + GATEWAY
CATCH_ALL = AT_GATEWAY.replace("\n      match:\n        - uri: {prefix: /checkout}", "").replace(
    "    # Not Canary's business.\n    - name: catalogue\n      route:\n"
    "        - destination: {host: catalogue.shop.svc.cluster.local}",
    "",
)
EVERYTHING = rival("[shop.example.com]", "gateways: [istio-ingress/public]")


def at_gateway(match: str, gateways: str = "gateways: [istio-ingress/public]") -> str:
    return rival("[shop.example.com]", gateways, http=f"[{{match: [{match}], redirect: {{uri: /}}}}]")


def test_second_virtual_service_at_a_gateway_that_takes_all_is_told_of() -> None:
    (message,) = messages(CATCH_ALL + EVERYTHING)
    assert message == (
        "VirtualService other, spec.hosts: found shop.example.com, a host of VirtualService "
        "shop.istio-ingress, too: istio-ingress/public takes the routes of both, the older's first, and "
        "http[0] here leaves nothing to http[0] there; put both routes into one VirtualService, or the "
        "weights in shop.istio-ingress may never be in force"
    )


@pytest.mark.parametrize(
    "other",
    [
        at_gateway("{uri: {prefix: /check}}"),
        at_gateway("{uri: {prefix: /checkout}, name: all}"),
        at_gateway("{headers: {x: {exact: y}}}, {uri: {prefix: /checkout}}"),
        at_gateway("{uri: {prefix: /checkout}}", "gateways: [public.istio-ingress.svc.cluster.local]"),
        at_gateway("{uri: {prefix: /checkout}}", "gateways: [./public]").replace(
            ": shop}", ": istio-ingress}"
        ),
    ],
)
def test_one_whose_route_takes_all_that_the_weights_are_for_is_told_of(other: str) -> None:
    (message,) = messages(AT_GATEWAY + other)
    assert "leaves nothing to http[0] there" in message


@pytest.mark.parametrize(
    "other",
    [
        # Hosts are divided by paths, and what takes everything comes last at a gateway.
        EVERYTHING,
        at_gateway("{uri: {prefix: /}}"),
        at_gateway("{uri: {regex: '.*'}}"),
        at_gateway("{uri: {prefix: /catalogue}}"),
        at_gateway("{uri: {prefix: /checkout/static}}"),
        at_gateway("{uri: {exact: /checkout}}"),
        at_gateway("{uri: {prefix: /checkout}, headers: {x-track: {exact: beta}}}"),
        at_gateway("{uri: {prefix: /checkout}, method: {exact: GET}}"),
        # Elsewhere.
        at_gateway("{uri: {prefix: /checkout}}", "gateways: [istio-ingress/private]"),
        at_gateway("{uri: {prefix: /checkout}}", "gateways: [public]"),
        at_gateway("{uri: {prefix: /checkout}}", "gateways: [mesh]"),
        at_gateway("{uri: {prefix: /checkout}}").replace("shop.example.com", "pay.example.com"),
    ],
)
def test_those_that_leave_the_weights_their_requests_are_not_told_of(other: str) -> None:
    assert told(AT_GATEWAY + other) == []


def test_part_of_a_host_before_weights_that_take_everything_is_nobodys_rival() -> None:
    assert told(CATCH_ALL + at_gateway("{uri: {prefix: /catalogue}}")) == []


def test_delegate_stands_where_those_stand_that_delegate_to_it() -> None:
    root = ROOT.replace("      retries: {attempts: 2, retryOn: 5xx}\n", "")
    assert told(DELEGATE + root) == []
    (message,) = messages(DELEGATE + root + EVERYTHING)
    assert "a host of VirtualService root.istio-ingress, too" in message
    narrowed = DELEGATE.replace(
        "    - name: main\n", "    - name: main\n      match: [{uri: {prefix: /pay}}]\n"
    )
    assert told(narrowed + root + EVERYTHING) == []
    assert len(told(narrowed + root + at_gateway("{uri: {prefix: /pay}}"))) == 1


def test_surprises_are_no_errors(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(with_retries("retries: {attempts: 5, retryOn: 5xx}"))
    assert run(str(tmp_path)).exit_code == 0
    assert run(str(tmp_path), "--strict").exit_code == 1
