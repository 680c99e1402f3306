"""On a real mesh: how soon a weight is in force, how soon faults are found, how often a good release passes.

Real requests through Envoy and istiod, windows of one second. Each figure is of this machine and of few runs:
it shows an order of magnitude, and what it would take to be worse. `make bench-mesh` prints tables in
Markdown; `--quick` makes fewer runs.
"""

import argparse
import math
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from tempfile import TemporaryDirectory

import requests

from canary.domain.plan import Gate
from canary.domain.release import Phase
from canary.domain.verdict import Reason
from canary.sandbox.control_plane import ControlPlaneMissing
from canary.sandbox.mesh import NetworkRefused, enter_network_of_mesh
from canary.sandbox.showcase import SERVICE
from canary.sandbox.traffic_log import read_log, read_totals
from tests.cluster.notes import DIRECTORY
from tests.mesh.asking import until_answered
from tests.mesh.conftest import mesh_ground
from tests.scenarios.shop import ALL_ON_STABLE, Shop
from tests.scenarios.world import World, running_world

EXIT_MISSING = 2
FAULTS = ("errors=20%", "errors=100%", "errors=5%", "latency=700ms@50%", "errors=2%")
RATES_PER_SECOND = (100, 300, 10)
QUICK_FAULTS, QUICK_RATES = ("errors=20%",), (100,)
SETTLED_REQUESTS = 100
"""Of the users, who make a hundred in a second."""
STEP_PERCENT = 10
LONGEST_SECONDS = 120.0
HEALTHY = "errors=0.5%"
HEALTHY_STEPS = "10@5s,50@5s,100@5s"


@dataclass(frozen=True, slots=True)
class Found:
    """One faulty release: when it ended in the users' eyes, and what it cost them."""

    seconds: float | None
    """From the canary's first answer to its last; None when it was not rolled back in time."""
    bad: int
    canary_requests: int


def main() -> int:
    """Run all and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mesh", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few runs of each, to try it")
    quick = parser.parse_args().quick
    try:
        enter_network_of_mesh(say)
    except (ControlPlaneMissing, NetworkRefused) as failed:
        say(str(failed))
        return EXIT_MISSING
    with TemporaryDirectory(prefix="canary-mesh-") as notes, running_world(mesh_ground) as world:
        os.environ[DIRECTORY] = notes
        world.start_controller()
        show(shift_table(world, 5 if quick else 30))
        show(
            fault_table(world, QUICK_FAULTS if quick else FAULTS, QUICK_RATES if quick else RATES_PER_SECOND)
        )
        show(repeated_table(world, 2 if quick else 10))
        show(healthy_table(world, 2 if quick else 20))
    return 0


def say(text: str) -> None:
    """Tell what takes long, beside the tables."""
    print(f"bench-mesh: {text}", file=sys.stderr, flush=True)


def show(lines: Iterator[str]) -> None:
    """Print a table as it grows."""
    for line in lines:
        print(line, flush=True)
    print(flush=True)


def shift_table(world: World, times: int) -> Iterator[str]:
    """The service has opted out: the weights are written by hand, to all and to nothing, in turn."""
    took: list[float] = []
    with world.new_shop() as shop:
        shop.open(f"{STEP_PERCENT}@30m")
        shop.annotate(enabled=None)
        shop.push("v2")
        shop.until(shop.is_ready, "the canary's pods")
        with requests.Session() as session:
            for number in range(times):
                wanted, weights = ("v2", (0, 100)) if number % 2 == 0 else ("v1", ALL_ON_STABLE)
                shop.set_weights(*weights)
                took.append(seconds_until(session, shop, wanted))
                # What istiod still has to say of this change must not be taken for the next one's.
                until_answered(shop, (200, wanted))
                shop.wait_for_requests(SETTLED_REQUESTS)
                until_answered(shop, (200, wanted))
    yield "| from a weight's write until the first request that follows it | seconds |"
    yield "| --- | --- |"
    yield f"| median of {times} | {statistics.median(took):.2f} |"
    yield f"| shortest, longest | {min(took):.2f}, {max(took):.2f} |"


def seconds_until(session: requests.Session, shop: Shop, wanted: str) -> float:
    """Ask until a version answers; the time since the write came back."""
    began = time.monotonic()
    while True:
        answer = session.get(shop.sandbox.envoy_url, headers={"Host": shop.host}, timeout=10)
        if answer.headers.get("x-sandbox-version") == wanted:
            return time.monotonic() - began


def fault_table(world: World, faults: tuple[str, ...], rates: tuple[int, ...]) -> Iterator[str]:
    """One release for each fault and rate; nothing was wrong with the version before."""
    yield (
        f"| canary at {STEP_PERCENT} %, requests/s in all | fault | users exposed, seconds | bad answers "
        "| of canary requests |"
    )
    yield "| --- | --- | --- | --- | --- |"
    for rate in rates:
        for fault in faults:
            found = faulty_release(world, fault, rate, seed=1)
            ended = "not found" if found.seconds is None else f"{found.seconds:.0f}"
            yield f"| {rate} | {fault} | {ended} | {found.bad} | {found.canary_requests} |"


def repeated_table(world: World, times: int) -> Iterator[str]:
    """The release by which others are compared, again and again: one alone may have been lucky."""
    fault, rate = QUICK_FAULTS[0], QUICK_RATES[0]
    found = [faulty_release(world, fault, rate, seed=2 + number) for number in range(times)]
    yield f"| {fault} at {rate} requests/s, {times} releases | median | least to most |"
    yield "| --- | --- | --- |"
    yield spread("users exposed, seconds", [each.seconds or math.inf for each in found])
    yield spread("bad answers", [each.bad for each in found])
    yield spread("canary requests", [each.canary_requests for each in found])


def spread(what: str, values: Sequence[float]) -> str:
    """One row: median, least and most."""
    return f"| {what} | {statistics.median(values):g} | {min(values):g} to {max(values):g} |"


def faulty_release(world: World, fault: str, rate: int, seed: int) -> Found:
    """Release a canary that behaves so, with so many requests per second, and see what users get."""
    with world.new_shop() as shop:
        shop.open(f"{STEP_PERCENT}@30m")
        shop.end_traffic()
        log = shop.start_traffic(rate)
        shop.push("v2", fault, seed=seed)
        shop.wait_for(Phase.PROGRESSING)
        is_found = True
        try:
            shop.until(lambda: phase_of(shop) is Phase.ROLLED_BACK, "a rollback", LONGEST_SECONDS)
        except AssertionError:
            is_found = False
        shop.end_traffic()
        lines = [line for line in read_log(log) if line["version"] == "v2"]
        seconds = [line["second"] for line in lines]
        spread = max(seconds) - min(seconds) + 1 if seconds else 0
        bad, total = sum(bad_of(line) for line in lines), sum(line["count"] for line in lines)
        return Found(spread if is_found else None, bad, total)


def phase_of(shop: Shop) -> Phase:
    """Of the newest release."""
    return shop.newest().release.phase


def bad_of(line: dict[str, int]) -> int:
    """Of a line of the traffic log: all of it when it failed, and else what was slow."""
    return line["count"] if line["status"] != 200 else line["slow"]


def healthy_table(world: World, times: int) -> Iterator[str]:
    """The canary and stable both fail one request in two hundred; the plan allows one in a hundred."""
    promoted, lost = 0, 0
    for number in range(1, times + 1):
        with world.new_shop() as shop:
            shop.open(HEALTHY_STEPS, drain="1s", gates="first-step")
            shop.push("v1", HEALTHY, to=SERVICE, seed=2 * number)
            shop.push("v2", HEALTHY, seed=2 * number + 1)
            shop.wait_for(Phase.PENDING, Reason.GATE_CLOSED)
            shop.until(shop.is_ready, "both workloads")
            shop.approve(Gate.FIRST_STEP)
            shop.until(lambda: shop.count() and phase_of(shop).is_terminal, "an end", LONGEST_SECONDS)
            promoted += phase_of(shop) is Phase.SUCCEEDED
            shop.end_traffic()
            answered = read_totals(shop.logs[0]).requests
            lost += sum(count for (version, _), count in answered.items() if not version)
    yield "| healthy releases at 0.5 % errors, 100 requests/s | |"
    yield "| --- | --- |"
    yield f"| promoted | {promoted} of {times} |"
    yield f"| requests that no pod answered | {lost} |"


if __name__ == "__main__":
    sys.exit(main())
