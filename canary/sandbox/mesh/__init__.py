"""A real mesh: Istio's own control plane decides, from the VirtualServices, where Envoy sends requests.

For tests and for the demo, where the sandbox's own translation of VirtualServices is not proof enough. It
stands on a real Kubernetes control plane, and all of it runs in a network of its own, in which every Pod has
an address.
"""

from canary.sandbox.mesh.ground import RealMesh, enter_network_of_mesh, real_mesh
from canary.sandbox.mesh.istiod import find_istiod
from canary.sandbox.mesh.network import NetworkRefused, way_in

__all__ = [
    "NetworkRefused",
    "RealMesh",
    "enter_network_of_mesh",
    "find_istiod",
    "real_mesh",
    "way_in",
]
