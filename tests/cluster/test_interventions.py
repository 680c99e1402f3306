"""Scenarios on a real control plane, the controller being the chart's account: interventions."""

# ruff: noqa: F403
from tests.scenarios.test_interventions import *
