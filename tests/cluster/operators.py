"""The definitions of the operators and GitOps tools whose objects the chart and config/ have.

Each is the newest version that a Go toolchain of 1.26 may read.
"""

from typing import Final

from canary.sandbox.control_plane.published import Published

__all__ = ["OPERATORS"]

PROMETHEUS_OPERATOR: Final = Published(
    "the Prometheus operator",
    "github.com/prometheus-operator/prometheus-operator@v0.85.0",
    "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
    tuple(
        f"example/prometheus-operator-crd/monitoring.coreos.com_{plural}.yaml"
        for plural in ("servicemonitors", "podmonitors", "prometheusrules")
    ),
)

ARGO_CD: Final = Published(
    "Argo CD",
    "github.com/argoproj/argo-cd/v3@v3.5.7",
    "h1:Xm1BF+I5OgDKUG3SDK49vn2/Y5AMyaNVko+/JT08gj0=",
    ("manifests/crds/application-crd.yaml",),
)

FLUX: Final = Published(
    "Flux",
    "github.com/fluxcd/kustomize-controller@v1.9.6",
    "h1:XB+G3A0mky0j5uVHZWv4oSlS2RvZBoNIUhstIvY0JKE=",
    ("config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml",),
)

OPERATORS: Final = (PROMETHEUS_OPERATOR, ARGO_CD, FLUX)
