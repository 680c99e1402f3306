"""What the API server refuses of a policy, the parser refuses too: no definition is stricter than it."""

import re
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.adapters.kube.crd import policy_crd, release_crd, spec_schema_of_policy
from canary.adapters.kube.strict import problems_in
from canary.adapters.kube.wire import wire_name
from canary.domain.policy import PolicySpec
from canary.domain.reference import REFERENCE
from canary.domain.wishes import Parser

SCHEMA = spec_schema_of_policy()["properties"]
PARSERS = {item.policy_field: item.parse for item in REFERENCE}
TEXTS = [
    "1%", "0.5 %", "99.999%", "1.2x", "1x", "100x", "90s", "1m30s", "1.5h", "500ms", "2h", ".5h", "5.m",
    "720h", "99% < 500ms", "99.9%<1.5s", "none", "checkout", "checkout.v2", "a-b", "x", "",
]  # fmt: skip
PIECES = st.sampled_from(
    ["1", "0", ".", "%", "x", "s", "m", "h", "ms", "us", "µs", " ", "<", "99", "a", "-", "none"]
)


def accepts(parse: Parser[object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("name", [name for name, schema in SCHEMA.items() if "pattern" in schema])
@given(text=st.one_of(st.sampled_from(TEXTS), st.lists(PIECES, max_size=6).map("".join)))
def test_whatever_the_parser_takes_the_definition_takes(name: str, text: str) -> None:
    if accepts(PARSERS[name], text) and text == text.strip():
        schema = SCHEMA[name]
        assert re.search(schema["pattern"], text), (schema["pattern"], text)
        assert len(text) <= schema["maxLength"]


@pytest.mark.parametrize("name", [name for name, schema in SCHEMA.items() if "pattern" in schema])
def test_every_pattern_refuses_something_and_takes_its_example(name: str) -> None:
    example = next(item.example for item in REFERENCE if item.policy_field == name)
    assert re.search(SCHEMA[name]["pattern"], example)
    assert not re.search(SCHEMA[name]["pattern"], 'x"} or up{a="')


def test_every_field_is_described_and_none_has_a_default_that_would_hide_an_administrators() -> None:
    assert SCHEMA.keys() == {wire_name(item.name) for item in fields(PolicySpec)}
    for name, schema in SCHEMA.items():
        assert schema["description"], name
        assert "default" not in schema


def test_release_shows_its_own_defaults() -> None:
    spec = release_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert spec["properties"]["retry"]["default"] is False
    assert spec["properties"]["plan"]["properties"]["tolerance"]["default"] == 1.2
    assert spec["properties"]["plan"]["properties"]["onNoData"]["default"] == "hold"


def test_both_kinds_are_found_under_one_category() -> None:
    for definition in (release_crd(), policy_crd()):
        assert definition["spec"]["names"]["categories"] == ["canary"]
        assert definition["spec"]["scope"] == "Namespaced"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({}, []),
        ({"tolerance": "1.2x", "gates": ["promotion"]}, []),
        ([], ["spec: found []; write a mapping"]),
        ({"tolerance": 1.2}, ["spec.tolerance: found 1.2; write a text in quotes"]),
        ({"Steps": []}, ["spec.Steps: found []; did you mean steps?"]),
        (
            {"gates": ["promote"], "minRequests": "5", "nonsense": None},
            [
                "spec.gates[0]: found \"promote\"; write one of first-step, promotion",
                "spec.minRequests: found \"5\"; write a whole number",
                "spec.nonsense: found nothing; known fields are",
            ],
        ),
        (
            {"steps": [{"weight": 0}, {"bake": "2m"}, {"weight": 50, "pause": "2m"}]},
            [
                "spec.steps[0]: found {\"weight\": 0}; weight: write a whole number from 1 to 100",
                "spec.steps[1].weight: found nothing; it is needed",
                "spec.steps[2].pause: found \"2m\"; known fields are weight, bake",
            ],
        ),
    ],
)  # fmt: skip
def test_everything_that_is_wrong_with_a_spec_is_told_at_once(data: object, told: list[str]) -> None:
    found = [str(problem) for problem in problems_in(PolicySpec, data, "spec")]
    assert len(found) == len(told)
    for problem, words in zip(found, told, strict=True):
        assert problem.startswith(words)
