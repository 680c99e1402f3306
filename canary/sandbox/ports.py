"""Free ports on loopback, for programs that cannot say which port they were given."""

import socket


def free_port() -> int:
    """A port that was free a moment ago; a caller must be ready to try again if somebody was faster."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
