"""An object of another namespace may be used when, and only when, it says so itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.domain.consent import SHARED_WITH, shared_with

labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)


@pytest.mark.parametrize("text", ["shop", "shop,pay", " pay , shop ", "*", " * ", "shop,shop"])
def test_an_object_is_shared_with_the_namespaces_that_it_names_or_with_all(text: str) -> None:
    assert shared_with({SHARED_WITH: text}, "shop")


@pytest.mark.parametrize("text", ["", "pay", "shop2", "shop-", "pay,shopping"])
def test_an_object_is_not_shared_with_whom_it_does_not_name(text: str) -> None:
    assert not shared_with({SHARED_WITH: text}, "shop")


def test_an_object_without_the_annotation_is_shared_with_nobody() -> None:
    assert not shared_with({}, "shop")
    assert not shared_with({"canaryctl.dev/share-with": "*", SHARED_WITH.upper(): "*"}, "shop")


@pytest.mark.parametrize(
    "text",
    [
        "shop,",
        ",shop",
        "shop,,pay",
        "shop pay",
        "shop;pay",
        "Shop,shop",
        "shop,*",
        "sh*p",
        "shop/x",
        '"shop"',
    ],
)
def test_a_value_that_is_not_understood_as_a_whole_shares_with_nobody(text: str) -> None:
    assert not shared_with({SHARED_WITH: text}, "shop")


@given(st.text("shop,*- Ay.", max_size=12), labels)
def test_only_a_star_or_the_very_name_ever_consents(text: str, namespace: str) -> None:
    if shared_with({SHARED_WITH: text}, namespace):
        assert text.strip() == "*" or namespace in [item.strip() for item in text.split(",")]
