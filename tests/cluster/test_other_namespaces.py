"""Scenarios on a real control plane, where the controller is the chart's account."""

# ruff: noqa: F403
from tests.scenarios.test_other_namespaces import *
