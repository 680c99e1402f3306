"""Scenarios on a real control plane, the controller being the chart's account: definitions."""

# ruff: noqa: F403
from tests.scenarios.test_definitions import *
