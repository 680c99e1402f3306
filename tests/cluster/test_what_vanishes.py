"""Scenarios on a real control plane, the controller being the chart's account: what_vanishes."""

# ruff: noqa: F403
from tests.scenarios.test_what_vanishes import *
