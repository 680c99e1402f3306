"""The adapters' own tests, faults included, against a real API server instead of the sandbox's."""

# ruff: noqa: F403
from tests.adapters.test_istio_adapter import *
from tests.adapters.test_istio_shared import *
from tests.adapters.test_kube_events import *
from tests.adapters.test_kube_leases import *
from tests.adapters.test_kube_policies import *
from tests.adapters.test_kube_releases import *
from tests.adapters.test_kube_transport import *
from tests.adapters.test_kube_watch import *
from tests.adapters.test_kube_workloads import *
