"""The sandbox's node, `python -m canary.sandbox.node`: the kubelet stand-in, and the route follower.

Where a real istiod tells Envoy what to do (`--real-mesh`), there is no follower, and Pods listen at their own
addresses.

A process of its own, so that a program that uses the sandbox shares neither its threads nor its crashes.
"""

import argparse
import signal
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from canary.adapters.kube.connection import connect
from canary.sandbox.envoy import EnvoyAdmin, MeshWriter
from canary.sandbox.envoy_config import ConfigFiles
from canary.sandbox.follower import RouteFollower
from canary.sandbox.kubelet import Kubelet, at_its_own_address, on_loopback


def wait_for(file: Path, timeout_seconds: float = 20.0) -> None:
    """Return when `file` exists; the API server, which writes it, may start at the same time."""
    deadline = time.monotonic() + timeout_seconds
    while not file.exists():
        if time.monotonic() > deadline:
            sys.exit(f"no kubeconfig at {file} after {timeout_seconds:g} s")
        time.sleep(0.02)


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m canary.sandbox.node", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--directory", type=Path, required=True, help="takes logs and addresses of the pods")
    parser.add_argument("--real-mesh", action="store_true", help="Pods have addresses; Envoy obeys istiod")
    parser.add_argument("--envoy-directory", type=Path)
    parser.add_argument("--envoy-admin", help="http://127.0.0.1:PORT")
    parser.add_argument("--note", type=Path, help="takes what is in force, as JSON")
    arguments = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    wait_for(arguments.kubeconfig)
    transport = connect(arguments.kubeconfig, stop=stop)
    with ExitStack() as stack:
        if not arguments.real_mesh:
            writer = MeshWriter(ConfigFiles(arguments.envoy_directory), EnvoyAdmin(arguments.envoy_admin))
            follower = RouteFollower(transport, writer, arguments.note)
            follower.start()
            stack.callback(follower.stop)
        kubelet = Kubelet(
            transport, arguments.directory, at_its_own_address if arguments.real_mesh else on_loopback
        )
        kubelet.start()
        stack.callback(kubelet.stop)
        stop.wait()


if __name__ == "__main__":
    main()
