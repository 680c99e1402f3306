"""The control plane that whole releases are tried on."""

from tests.grounds import control_plane

__all__ = ["control_plane"]
