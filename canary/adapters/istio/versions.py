"""Which version of Istio's API a cluster serves: asked, not assumed."""

from canary.adapters.kube.transport import Transport
from canary.app.errors import NotFound, TerminalError
from canary.app.ports import Clock

__all__ = ["GROUP", "IstioVersion"]

GROUP = "networking.istio.io"
PREFERRED = ("v1", "v1beta1", "v1alpha3")
KINDS = frozenset({"virtualservices", "destinationrules"})
KNOWN_FOR_SECONDS = 300.0


class IstioVersion:
    """The newest version that serves both kinds, asked for again every few minutes."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock
        self._known: tuple[str, float] | None = None

    def get(self) -> str:
        """Return ``group/version``; ``TerminalError`` when Istio's CRDs are not installed."""
        known = self._known
        now = self._clock.monotonic()
        if known is not None and now < known[1]:
            return known[0]
        found = f"{GROUP}/{self._discover()}"
        self._known = (found, now + KNOWN_FOR_SECONDS)
        return found

    def _discover(self) -> str:
        try:
            served = self._transport.served_versions(GROUP)
        except NotFound as exc:
            raise TerminalError(
                f"{self._transport.server} serves no {GROUP}: install Istio's CRDs "
                "(VirtualService and DestinationRule)"
            ) from exc
        for version in PREFERRED:
            if version in served and self._transport.served_resources(GROUP, version) >= KINDS:
                return version
        raise TerminalError(
            f"{GROUP} is served as {', '.join(served)}, none of which has VirtualService and DestinationRule "
            f"in {', '.join(PREFERRED)}: install Istio's CRDs"
        )
