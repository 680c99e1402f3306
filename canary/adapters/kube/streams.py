"""Answers that go on for minutes: lines as they come, until the server ends them or goes quiet."""

from collections.abc import Iterator

import urllib3

__all__ = ["Stream"]


class Stream:
    """The lines of an answer that goes on for minutes. Ends when the server ends it or goes quiet."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        """Yield each line without its end; the last, unfinished one of a broken stream is dropped."""
        rest = b""
        try:
            for chunk in self._response.stream(amt=65536, decode_content=False):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (line for line in lines if line)
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            return  # Quiet, cut or closed by us: whoever watches resumes from the last version.
        finally:
            self._response.close()

    def close(self) -> None:
        """End the stream from another thread."""
        try:
            self._response.shutdown()
        except (OSError, ValueError):
            return  # It has ended by itself.
