"""kill -9 at every single write, on a real control plane."""

# ruff: noqa: F403
from tests.e2e.test_kill_at_every_write import *
