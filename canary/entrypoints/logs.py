"""What the controller says: one line per event, as JSON for machines or in colour for a person.

Keys are stable: ``timestamp``, ``level``, ``event``, then ``namespace``, ``service``, ``release``, ``phase``
and ``reason`` where they apply. Values that may hold a secret are masked by their key's name.
"""

import json
import logging
import sys
from contextlib import suppress
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor

from canary.app.ports import Announcement, Announcer
from canary.domain.plan import ServiceKey
from canary.domain.release import Release
from canary.domain.verdict import Verdict

__all__ = ["LogAnnouncer", "announcers", "configure_logs"]

MASK: Final = "**********"
SECRETIVE: Final = ("password", "token", "secret", "authorization", "header", "cookie", "api_key")
ORDER: Final = ("timestamp", "level", "event", "namespace", "service", "release", "phase", "reason")
NOISY: Final = ("urllib3", "kubernetes", "apscheduler")

Format = Literal["auto", "json", "console"]
Level = Literal["debug", "info", "warning", "error"]


def configure_logs(level: Level = "info", log_format: Format = "auto", stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's logging, once, at the start of the process.

    ``auto`` is console on a terminal, json elsewhere. ``stream`` is standard error by default.
    """
    output = stream or sys.stderr
    chosen = ("console" if output.isatty() else "json") if log_format == "auto" else log_format
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _mask_secrets,
    ]
    rendering = _rendering(chosen, output.isatty())
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(output),
    )
    handler = logging.StreamHandler(output)
    without_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[without_meta, *rendering])
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(number)
    for name in NOISY:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


def _rendering(chosen: str, colours: bool) -> list[Processor]:
    if chosen == "json":
        return [structlog.processors.format_exc_info, _in_order, structlog.processors.JSONRenderer(_json)]
    # The default shows local variables with every exception: credentials, sooner or later.
    return [structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)]


def _json(value: Any, **_: Any) -> str:
    """Return one line of JSON; what JSON lacks is written as text."""
    return json.dumps(value, ensure_ascii=False, default=str)


def _in_order(_: Any, __: str, event: EventDict) -> EventDict:
    first = {name: event[name] for name in ORDER if name in event}
    return {**first, **event}


def _mask_secrets(_: Any, __: str, event: EventDict) -> EventDict:
    for name in event:
        if any(word in name.lower() for word in SECRETIVE):
            event[name] = MASK
    return event


class LogAnnouncer:
    """Implements ``Announcer``: one line for each announcement, warnings as warnings."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("canary")

    def announce(self, key: ServiceKey, release: Release | None, announcement: Announcement) -> None:
        """Write the announcement."""
        about: dict[str, Any] = {
            "namespace": key.namespace,
            "service": key.name,
            "reason": announcement.reason,
        }
        if release is not None:
            about |= {"release": release.name, "phase": release.phase.value}
            if release.verdict is not None:
                about |= {"verdict": _numbers(release.verdict)}
        write = self._log.warning if announcement.warning else self._log.info
        with suppress(OSError, ValueError):  # A closed pipe is no reason to stop a release.
            write(announcement.message, **about)


def _numbers(verdict: Verdict) -> dict[str, Any]:
    """What a verdict rests on; evidence in natural logarithms."""
    return {
        "outcome": verdict.outcome.value,
        "reason": verdict.reason.value,
        "until": verdict.at,
        "log_evidence": round(verdict.log_evidence, 3),
        "log_threshold": round(verdict.log_threshold, 3),
        "objectives": {
            finding.objective: {
                "canary": f"{finding.canary.bad}/{finding.canary.requests}",
                "stable": f"{finding.stable.bad}/{finding.stable.requests}",
                "at_most": finding.max_bad_ratio,
                "dispersion": round(finding.dispersion, 2),
                "against_bound": round(finding.log_evidence_slo, 3),
                "against_stable": round(finding.log_evidence_against_stable, 3),
            }
            for finding in verdict.findings
        },
    }


class _Several:
    def __init__(self, sinks: tuple[Announcer, ...]) -> None:
        self._sinks = sinks

    def announce(self, key: ServiceKey, release: Release | None, announcement: Announcement) -> None:
        for sink in self._sinks:
            try:
                sink.announce(key, release, announcement)
            except Exception:  # noqa: BLE001 - one sink's defect must not silence the others
                with suppress(OSError, ValueError):
                    structlog.get_logger("canary").error(
                        "an announcement was lost", sink=type(sink).__name__, exc_info=True
                    )


def announcers(*sinks: Announcer) -> Announcer:
    """Return an announcer that tells all ``sinks``, each whatever becomes of the others."""
    return _Several(sinks)
