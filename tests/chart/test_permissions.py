"""Who may do what: the controller where it looks after things, people with releases, nobody with more."""

from typing import Any

from canary.adapters.kube.policies import POLICY_PLURAL
from canary.adapters.kube.release_codec import GROUP, PLURAL
from tests.chart.permissions import DOCUMENT, documented
from tests.chart.rendering import ALONE, EVERYTHING, NAMESPACE, NEEDED, kinds, only, render

Json = dict[str, Any]


def test_cluster_wide_and_per_namespace_grant_the_same() -> None:
    rules = only(render(NEEDED), "ClusterRole", "canary")["rules"]
    everywhere = render(EVERYTHING)
    roles = [
        item
        for item in everywhere
        if item["kind"] == "Role" and not item["metadata"]["name"].endswith("-lease")
    ]
    assert {role["metadata"]["namespace"] for role in roles} == {"shop", "pay"}
    assert all(role["rules"] == rules for role in roles)


def test_list_of_namespaces_leaves_nothing_cluster_wide_for_the_controller() -> None:
    objects = render(EVERYTHING)
    assert "ClusterRoleBinding" not in kinds(objects)
    people = {item["metadata"]["name"] for item in objects if item["kind"] == "ClusterRole"}
    assert people == {f"canary-progressive-{may}" for may in ("view", "plan", "operate")}


def test_every_binding_is_to_the_controllers_account_and_to_a_role_that_there_is() -> None:
    for values in (NEEDED, EVERYTHING):
        objects = render(values)
        account = only(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"]
        for binding in (item for item in objects if item["kind"] in {"RoleBinding", "ClusterRoleBinding"}):
            subject = {"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}
            assert binding["subjects"] == [subject]
            same_place = [
                item
                for item in objects
                if item["kind"] == binding["roleRef"]["kind"]
                and item["metadata"]["name"] == binding["roleRef"]["name"]
                and item["metadata"].get("namespace") == binding["metadata"].get("namespace")
            ]
            assert len(same_place) == 1


def test_no_rule_has_a_wildcard() -> None:
    for values in (NEEDED, EVERYTHING):
        for role in (item for item in render(values) if item["kind"] in {"Role", "ClusterRole"}):
            for rule in role["rules"]:
                assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"]


def test_controller_reads_no_secrets_and_makes_no_pods() -> None:
    granted = {
        (resource, verb)
        for role in render(NEEDED)
        if role["kind"] in {"Role", "ClusterRole"}
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert not {"secrets", "configmaps", "serviceaccounts", "roles"} & {resource for resource, _ in granted}
    writes = {(resource, verb) for resource, verb in granted if verb not in {"get", "list", "watch"}}
    assert writes == {
        ("deployments", "patch"),
        ("virtualservices", "patch"),
        ("releases", "create"),
        ("releases", "delete"),
        ("releases", "patch"),  # people's, and so are policies
        ("releasepolicies", "create"),
        ("releasepolicies", "update"),
        ("releasepolicies", "patch"),
        ("releasepolicies", "delete"),
        ("releasepolicies", "deletecollection"),
        ("releases/status", "update"),
        ("events", "create"),
        ("events", "patch"),
        ("leases", "create"),
        ("leases", "update"),
    }


def test_table_in_the_documentation_is_what_is_granted() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert "| virtualservices | networking.istio.io |" in text
    assert documented(text) == text, "run `make docs`"


def test_lease_is_the_one_lease_in_the_controllers_namespace() -> None:
    for values, name in ((NEEDED, "canary"), (EVERYTHING, "canary-progressive")):
        role = only(render(values), "Role", "-lease")
        assert role["metadata"]["namespace"] == NAMESPACE
        named = {verb: rule.get("resourceNames") for rule in role["rules"] for verb in rule["verbs"]}
        assert named == {"create": None, "get": [name], "update": [name]}


def test_no_election_needs_no_lease() -> None:
    assert not [item for item in render(ALONE) if item["kind"] == "Role"]


def test_people_who_operate_may_patch_what_is_asked_for_but_never_the_controllers_memory() -> None:
    objects = render(NEEDED)
    view, operate = only(objects, "ClusterRole", "-view"), only(objects, "ClusterRole", "-operate")
    kinds_seen = [PLURAL, POLICY_PLURAL]
    assert view["rules"] == [
        {"apiGroups": [GROUP], "resources": kinds_seen, "verbs": ["get", "list", "watch"]}
    ]
    assert operate["rules"] == [
        {"apiGroups": [GROUP], "resources": [PLURAL], "verbs": ["get", "list", "watch", "patch"]}
    ]


def test_clusters_own_roles_include_them_unless_told_not_to() -> None:
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    included = render(NEEDED)
    assert only(included, "ClusterRole", "-view")["metadata"]["labels"][f"{prefix}view"] == "true"
    for role in ("-plan", "-operate"):
        assert only(included, "ClusterRole", role)["metadata"]["labels"][f"{prefix}edit"] == "true"
    # A viewer must not become able to abort.
    assert f"{prefix}view" not in only(included, "ClusterRole", "-operate")["metadata"]["labels"]
    for role in (only(render(ALONE), "ClusterRole", suffix) for suffix in ("-view", "-plan", "-operate")):
        assert not [label for label in role["metadata"]["labels"] if label.startswith(prefix)]
