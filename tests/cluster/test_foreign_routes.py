"""Scenarios on a real control plane, the controller being the chart's account: foreign_routes."""

# ruff: noqa: F403
from tests.scenarios.test_foreign_routes import *
