"""A small Kubernetes API server, in memory, for the sandbox and the tests.

It promises what our adapters, kubectl and the demo rely on: versions and conflicts, list and watch, the
patch formats, custom resources, deletion with grace and garbage collection, and controllers for
Deployments, ReplicaSets, EndpointSlices and Namespaces. ``tests/contract`` states these promises so that
they can be held against a real server too. It is no admission webhook, no scheduler and no kubelet: pods
stay Pending until a client acts as one.
"""

from canary.sandbox.apiserver.seam import Fault, RequestRecord, SeenRequest
from canary.sandbox.apiserver.server import Settings
from canary.sandbox.apiserver.threaded import RunningApiServer, running_api_server

__all__ = ["Fault", "RequestRecord", "RunningApiServer", "SeenRequest", "Settings", "running_api_server"]
