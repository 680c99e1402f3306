"""Scenarios on a real control plane, the controller being the chart's account: ordinary_ways."""

# ruff: noqa: F403
from tests.scenarios.test_ordinary_ways import *
