"""The chart's account, in the namespaces that it is given, on a server that refuses what is not granted."""

# ruff: noqa: F403
from tests.chart.test_permissions_used import *
