"""HTML of the page: templates that escape everything, one style sheet, and headers that allow no more.

What tenants wrote, such as messages, can neither become markup nor steer a reader's screen: characters that
do not print are replaced, as in a terminal. The style sheet is part of each page, and known to the browser by
its hash; no page loads anything, runs anything, or can be framed.
"""

import base64
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from canary import __version__
from canary.entrypoints.http_server import Answer
from canary.entrypoints.rendering import duration, moment, printable

__all__ = ["html"]


def _shown(value: Any) -> Any:
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"duration": duration, "moment": moment}
    return made


ENVIRONMENT: Final = _environment()
STYLE: Final = resources.files(__package__).joinpath("templates", "style.css").read_text(encoding="utf-8")
ENVIRONMENT.globals |= {"style": Markup(STYLE), "version": __version__}  # noqa: S704 - ours
_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}


def html(status: int, template: str, content: Mapping[str, Any]) -> Answer:
    """Return a page; ``content`` is what the template shows, and must be complete."""
    text = ENVIRONMENT.get_template(template).render(content)
    return Answer(status, text.encode(), "text/html; charset=utf-8", HEADERS)
