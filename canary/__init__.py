"""Canary: a progressive delivery controller for Kubernetes and Istio that judges on evidence."""

__version__ = "0.1.0"
