"""The page of a controller as it is wired, on a real API server: any replica shows it, at little cost."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from canary.entrypoints.http_server import Request
from canary.entrypoints.page.reader import FRESH_SECONDS
from canary.entrypoints.settings_loading import load_settings
from canary.entrypoints.wiring import Wired, wire
from tests.entrypoints.conftest import SECONDS, Shop
from tests.entrypoints.examples import AT_THE_GATE, ROLLED_BACK


@contextmanager
def waiting_replica(shop: Shop) -> Iterator[Wired]:
    """A replica that waits for its turn to lead: its watches run, nothing else does."""
    environ = {
        "CANARY_PROMETHEUS__URL": "http://127.0.0.1:9",
        "CANARY_KUBERNETES__KUBECONFIG": str(shop.server.kubeconfig),
        "CANARY_KUBERNETES__NAMESPACES": shop.namespace,
    }
    wired = wire(load_settings({}, environ), threading.Event())
    for watch in wired.watches:
        watch.start()
    try:
        assert all(watch.wait_synced(SECONDS) for watch in wired.watches)
        yield wired
    finally:
        for watch in wired.watches:
            watch.stop()
        wired.close()


def items(replica: Wired) -> list[dict[str, object]]:
    answer = replica.site.answer(Request("/api/releases", {}, ""))
    assert answer.status == 200
    found: list[dict[str, object]] = json.loads(answer.body)["items"]
    return found


def test_replica_that_does_not_lead_shows_releases(shop: Shop) -> None:
    stored = shop.begin(AT_THE_GATE)
    shop.begin(replace(ROLLED_BACK, revision="older", created_at=ROLLED_BACK.created_at - 60))
    with waiting_replica(shop) as replica:
        (item,) = items(replica)
        answer = replica.site.answer(Request(f"/releases/{shop.namespace}/{shop.key.name}", {}, ""))
    assert (item["release"], item["phase"], item["step"]) == (stored.release.name, "Held", "3/3")
    assert answer.status == 200
    assert f"{shop.key.name}-older" in answer.body.decode()


def test_service_without_a_release_is_shown_with_what_it_waits_for(shop: Shop) -> None:
    shop.annotate(canary="nowhere")
    with waiting_replica(shop) as replica:
        (item,) = items(replica)
    assert (item["phase"], item["reason"]) == ("Waiting", "CanaryMissing")
    assert item["message"] == "workload nowhere does not exist: deploy it"


def test_crowd_costs_the_api_server_one_list_of_releases_at_a_time(shop: Shop) -> None:
    with waiting_replica(shop) as replica:
        mark, began = len(shop.server.seam.requests), time.monotonic()
        for path in 20 * ("/", "/api/releases", f"/releases/{shop.namespace}/{shop.key.name}"):
            assert replica.site.answer(Request(path, {}, "")).status == 200
        due = 1 + (time.monotonic() - began) // FRESH_SECONDS
        asked = list(shop.server.seam.requests)[mark:]
    lists = [each for each in asked if "/releases" in each.path and "watch=true" not in each.query]
    assert 1 <= len(lists) <= due
