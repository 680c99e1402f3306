"""Leases: read as they were written, and never written over a version that was not seen."""

import pytest

from canary.adapters.kube.leases import KubeLeases
from canary.app.errors import ConflictError
from canary.app.ports import LeaseRecord
from tests.adapters.conftest import Cluster

RECORD = LeaseRecord("a", 15.0, 1_700_000_000.123456, 1_700_000_001.5, 3)


def test_a_lease_is_read_as_it_was_written(kube: Cluster) -> None:
    leases = KubeLeases(kube.transport, kube.namespace, "canary")
    assert leases.read() is None
    version = leases.create(RECORD)
    assert leases.read() == (RECORD, version)


def test_the_slower_of_two_creators_sees_a_conflict(kube: Cluster) -> None:
    leases = KubeLeases(kube.transport, kube.namespace, "canary")
    leases.create(RECORD)
    with pytest.raises(ConflictError):
        leases.create(RECORD)


def test_a_write_based_on_an_old_version_is_a_conflict(kube: Cluster) -> None:
    leases = KubeLeases(kube.transport, kube.namespace, "canary")
    old = leases.create(RECORD)
    newer = LeaseRecord("b", 15.0, 1.0, 2.0, 4)
    version = leases.update(newer, old)
    with pytest.raises(ConflictError):
        leases.update(RECORD, old)
    assert leases.read() == (newer, version)


def test_a_released_lease_has_no_holder(kube: Cluster) -> None:
    leases = KubeLeases(kube.transport, kube.namespace, "canary")
    freed = LeaseRecord("", 1.0, 1.0, 2.0, 4)
    version = leases.update(freed, leases.create(RECORD))
    assert leases.read() == (freed, version)
