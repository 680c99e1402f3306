"""The API server's pure parts: arithmetic of rollouts, patches, schemas, selectors, ownership of fields."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.sandbox.apiserver import managed
from canary.sandbox.apiserver.errors import ApiError
from canary.sandbox.apiserver.jsonpath import find
from canary.sandbox.apiserver.patches import merge_patch, strategic_merge
from canary.sandbox.apiserver.protobuf import decode
from canary.sandbox.apiserver.resources import version_priority
from canary.sandbox.apiserver.rollout import limits, new_replicas, old_replicas, template_hash
from canary.sandbox.apiserver.schema import prune, violations, with_defaults
from canary.sandbox.apiserver.selectors import parse_labels
from canary.sandbox.apiserver.store import HistoryGone, Store
from canary.sandbox.apiserver.tables import age

Json = dict[str, Any]


def deployment(replicas: int, surge: int | str = "25%", unavailable: int | str = "25%") -> Json:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {"spec": {"replicas": replicas, "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}}


def replica_set(replicas: int, available: int) -> Json:
    return {"spec": {"replicas": replicas}, "status": {"availableReplicas": available}}


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "found"),
    [(4, "25%", "25%", (1, 1)), (1, "25%", "25%", (1, 0)), (3, 0, 0, (0, 1)), (10, "30%", 2, (3, 2))],
)
def test_surge_rounds_up_and_unavailable_down(
    replicas: int, surge: int | str, unavailable: int | str, found: tuple[int, int]
) -> None:
    bounds = limits(deployment(replicas, surge, unavailable))
    assert (bounds.surge, bounds.unavailable) == found


@given(
    st.integers(1, 20),
    st.integers(0, 5),
    st.integers(0, 5),
    st.integers(0, 20),
    st.integers(0, 20),
    st.data(),
)
def test_a_rolling_step_respects_both_bounds(
    replicas: int, surge: int, unavailable: int, old_size: int, new_size: int, data: st.DataObject
) -> None:
    wanted = deployment(replicas, surge, unavailable)
    bounds = limits(wanted)
    new_size = min(new_size, replicas)
    old = replica_set(old_size, data.draw(st.integers(0, old_size)))
    new = replica_set(new_size, data.draw(st.integers(0, new_size)))
    grown = new_replicas(wanted, new, old_size + new_size)
    assert new_size <= grown <= replicas
    assert grown == new_size or grown + old_size <= replicas + bounds.surge
    (kept,) = old_replicas(wanted, new, [old])
    available = old["status"]["availableReplicas"] + new["status"]["availableReplicas"]
    left = min(kept, old["status"]["availableReplicas"]) + new["status"]["availableReplicas"]
    assert 0 <= kept <= old_size
    assert left >= min(available, replicas - bounds.unavailable)


def test_the_templates_hash_depends_on_content_and_not_on_order() -> None:
    one, other = {"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}
    assert template_hash(one) == template_hash(other) != template_hash({"a": 2})
    assert len(template_hash(one)) == 10


json_values = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(st.sampled_from("abcd"), json_values, max_size=4)


@given(documents, documents)
def test_a_merge_patch_twice_is_a_merge_patch_once(document: Json, patch: Json) -> None:
    once = merge_patch(document, patch)
    assert merge_patch(once, patch) == once


def test_strategic_order_and_deletion() -> None:
    document = {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}
    patch = {
        "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
        "containers": [{"name": "c", "image": "2"}, {"$patch": "delete", "name": "b"}],
    }
    merged = strategic_merge("Pod", document, patch)
    assert [c["name"] for c in merged["containers"]] == ["c", "a"]


def test_pruning_keeps_what_is_free_and_names_what_is_not() -> None:
    schema: Json = {
        "type": "object",
        "properties": {
            "a": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "m": {"type": "object", "additionalProperties": {"type": "object", "properties": {"k": {}}}},
        },
    }
    value = {"metadata": {"name": "x"}, "a": {"z": 1}, "m": {"one": {"k": 1, "l": 2}}, "b": 1}
    kept, unknown = prune(value, schema)
    assert kept == {"metadata": {"name": "x"}, "a": {"z": 1}, "m": {"one": {"k": 1}}}
    assert unknown == ["m.one.l", "b"]


def test_defaults_reach_into_what_is_there_only() -> None:
    inner = {"type": "object", "properties": {"k": {"type": "integer", "default": 3}}}
    schema: Json = {"properties": {"a": inner, "l": {"type": "array", "items": inner}}}
    assert with_defaults({"l": [{}, {"k": 1}]}, schema) == {"l": [{"k": 3}, {"k": 1}]}


def test_nullable_and_exclusive_bounds_are_understood() -> None:
    schema: Json = {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "nullable": True},
            "x": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
        },
    }
    assert violations({"n": None, "x": 0.1}, schema) == []
    (cause,) = violations({"x": 0}, schema)
    assert cause.message == "Invalid value: 0: x in body should be greater than 0"


@pytest.mark.parametrize("text", ["a in", "=b", "a=b c", "a in (b", "a>x"])
def test_a_selector_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ApiError):
        parse_labels(text)


def test_paths_find_fields_indices_and_conditions() -> None:
    document: Json = {"s": {"c": [{"t": "A", "v": 1}, {"t": "B", "v": 2}]}, "m": {"a.b": 5}}
    assert find(document, '.s.c[?(@.t=="B")].v') == [2]
    assert find(document, ".s.c[*].v") == [1, 2]
    assert find(document, ".s.c[-1].t") == ["B"]
    assert find(document, r".m.a\.b") == [5]
    assert find(document, ".nothing.here") == []


def test_versions_are_ordered_as_kubernetes_orders_them() -> None:
    versions = ["v1alpha3", "v1beta1", "v1", "v2", "v1beta2"]
    assert sorted(versions, key=version_priority) == ["v2", "v1", "v1beta2", "v1beta1", "v1alpha3"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (125, "2m5s"),
        (1200, "20m"),
        (12_600, "3h30m"),
        (100_000, "27h"),
        (800_000, "9d"),
    ],
)
def test_ages_are_written_as_kubectl_writes_them(seconds: int, text: str) -> None:
    now = datetime(2026, 1, 10, tzinfo=UTC)
    assert age((now - timedelta(seconds=seconds)).isoformat(), now) == text


def test_fields_of_other_managers_are_kept_and_taken_over_when_changed() -> None:
    def writer(name: str) -> managed.Writer:
        return managed.Writer(name, "Update", "v1", "2026-01-01T00:00:00Z")

    first: Json = {"metadata": {}, "spec": {"a": 1, "b": 1}}
    first["metadata"]["managedFields"] = managed.record(None, first, writer("one"), lambda *_: None)
    second: Json = {"metadata": dict(first["metadata"]), "spec": {"a": 1, "b": 2}}
    entries = managed.record(first, second, writer("two"), lambda *_: None)
    owned = {entry["manager"]: entry["fieldsV1"] for entry in entries}
    assert owned == {"one": {"f:spec": {"f:a": {}}}, "two": {"f:spec": {"f:b": {}}}}


def test_the_store_goes_back_to_any_version_in_its_history() -> None:
    store = Store(history=3)

    def put(name: str, value: int) -> int:
        store.put("things", {"metadata": {"name": name, "uid": name}, "value": value})
        return store.version

    put("a", 1)
    version = put("b", 1)
    put("a", 2)
    thing = store.get("things", "", "b")
    assert thing is not None
    store.remove("things", thing)
    assert [(o["metadata"]["name"], o["value"]) for o in store.snapshot("things", "", version)] == [
        ("a", 1),
        ("b", 1),
    ]
    put("c", 1)
    put("c", 2)
    with pytest.raises(HistoryGone):
        store.snapshot("things", "", version)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with suppress(ApiError):
        assert "kind" in decode(b"k8s\x00" + raw)
