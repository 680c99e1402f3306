"""A few requests of one's own, one after the other, and what they were answered with."""

from collections import Counter
from collections.abc import Mapping

import requests

from tests.scenarios.shop import Shop

__all__ = ["NOBODY", "Answers", "answers", "until_answered"]

Answers = Counter[tuple[int, str]]
"""By status and the version that answered."""
NOBODY = ""
"""The version of what Envoy answered itself."""


def answers(shop: Shop, count: int, host: str = "", headers: Mapping[str, str] | None = None) -> Answers:
    """Ask as often, for the shop's host if none is named."""
    found: Answers = Counter()
    with requests.Session() as session:
        for _ in range(count):
            answer = session.get(
                shop.sandbox.envoy_url, headers={"Host": host or shop.host, **(headers or {})}, timeout=10
            )
            found[answer.status_code, answer.headers.get("x-sandbox-version", NOBODY)] += 1
    return found


def until_answered(shop: Shop, wanted: tuple[int, str], host: str = "") -> None:
    """Wait until only that is answered: istiod has told Envoy then."""
    shop.until(lambda: set(answers(shop, 20, host)) == {wanted}, f"every answer to be {wanted}")
