"""Run the sandbox's API server as a process of its own, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

from canary.sandbox.apiserver.server import Settings, serve


async def _main(settings: Settings, kubeconfig: Path) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(settings, kubeconfig, stop)


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m canary.sandbox.apiserver", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument(
        "--kubeconfig", type=Path, required=True, help="file to write when the server is ready"
    )
    arguments = parser.parse_args()
    asyncio.run(_main(Settings(port=arguments.port), arguments.kubeconfig))


if __name__ == "__main__":
    main()
