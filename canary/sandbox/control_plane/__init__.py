"""A real Kubernetes control plane on loopback: etcd, kube-apiserver and kube-controller-manager.

For tests and for the demo, where the sandbox's own API server is not proof enough. There are no nodes: the
sandbox's kubelet stand-in runs the Pods (``Sandbox(control_plane=plane.kubeconfig)``).
"""

from canary.sandbox.control_plane.mesh import control_plane_with_istio
from canary.sandbox.control_plane.objects import collection_of, create, install_crds
from canary.sandbox.control_plane.plane import ControlPlane
from canary.sandbox.go import ControlPlaneMissing

__all__ = [
    "ControlPlane",
    "ControlPlaneMissing",
    "collection_of",
    "control_plane_with_istio",
    "create",
    "install_crds",
]
