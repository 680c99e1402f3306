"""Scenarios on a real control plane, the controller being the chart's account: replicas."""

# ruff: noqa: F403
from tests.scenarios.test_replicas import *
