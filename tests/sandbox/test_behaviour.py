"""The grammar of an application's behaviour and the measure of its request rate."""

import pytest

from canary.sandbox.behaviour import Behaviour, InvalidBehaviour, RequestRate, parse_behaviour


@pytest.mark.parametrize(
    ("text", "behaviour"),
    [
        ("", Behaviour()),
        ("errors=20%", Behaviour(error_share=0.2)),
        ("errors=100% status=503", Behaviour(error_share=1.0, error_status=503)),
        ("errors=20% late=300", Behaviour(error_share=0.2, late_requests=300)),
        ("latency=800ms", Behaviour(latency_seconds=0.8)),
        ("latency=1.5s@50%", Behaviour(latency_seconds=1.5, latency_share=0.5)),
        ("latency=700ms slow-above=30/s", Behaviour(latency_seconds=0.7, slow_above_per_second=30)),
        ("ready-after=3s crash-after=5s", Behaviour(ready_after_seconds=3, crash_after_seconds=5)),
        ("ready-in=shop-canary", Behaviour(ready_in="shop-canary")),
        ("never-ready", Behaviour(never_ready=True)),
        ("failed-orders=5%", Behaviour(failed_order_share=0.05)),
        ("waiting-orders=5%", Behaviour(waiting_order_share=0.05)),
    ],
)
def test_behaviour_is_read(text: str, behaviour: Behaviour) -> None:
    assert parse_behaviour(text) == behaviour


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("error=20%", "unknown word 'error=20%'"),
        ("errors=20", "write it like errors=20%"),
        ("errors=120%", "more than 100%"),
        ("latency=800", "write it like latency=800ms"),
        ("latency=nan", "write it like latency=800ms"),
        ("status=200", "write it like status=503"),
        ("never-ready=5", "write it like never-ready"),
        ("failed-orders=5", "write it like failed-orders=20%"),
        ("late=300", "late needs errors"),
        ("errors=20% late=3m", "write it like late=300"),
        ("slow-above=30/s", "slow-above needs a latency"),
    ],
)
def test_mistake_is_named_with_what_would_be_right(text: str, message: str) -> None:
    with pytest.raises(InvalidBehaviour, match=message):
        parse_behaviour(text)


def test_rate_is_the_mean_of_the_last_two_seconds() -> None:
    rate = RequestRate()
    for request in range(400):
        rate.count(100 + request / 100)
    assert rate.per_second(103.99) == pytest.approx(100, abs=1)


def test_rate_forgets_what_is_older_than_two_seconds() -> None:
    rate = RequestRate()
    for _ in range(50):
        rate.count(100.0)
    assert rate.per_second(101.8) == 25
    assert rate.per_second(102.1) == 0
    assert rate.per_second(9000.0) == 0
