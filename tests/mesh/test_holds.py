"""Scenarios on a real mesh: istiod decides where the requests go, and the users' requests say so."""

# ruff: noqa: F403
from tests.scenarios.test_holds import *
