"""An adapter's own tests, faults included, against a real API server instead of the sandbox's."""

# ruff: noqa: F403
from tests.adapters.test_istio_older import *
