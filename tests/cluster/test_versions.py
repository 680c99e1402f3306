"""Scenarios on a real control plane, the controller being the chart's account: versions."""

# ruff: noqa: F403
from tests.scenarios.test_versions import *
