"""Bounds a download as a whole: its size, and the time that all of it takes.

Time limits of single reads do not end a server that sends a byte before each of them is over, be
it of the headers.
"""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future

from reprise.errors import DataError
from reprise.trust import limits
from reprise.trust.documents import size_text


def bounded(chunks: Iterator[bytes], uri: str, *, largest: int | None) -> Iterator[bytes]:
    """Pass a download on until it is larger, or takes longer, than any should.

    Parameters
    ----------
    chunks : iterator of bytes
        Connects when it is first asked.
    uri : str
        Where they come from, free of credentials.
    largest : int or None
        Number of bytes; None: any.

    Raises
    ------
    DataError
        If it goes beyond a limit.
    """
    size, end = 0, time.monotonic() + limits.SOURCE_SECONDS
    while True:
        try:
            chunk = _next(chunks).result(timeout=max(end - time.monotonic(), 0))
        except TimeoutError:
            raise DataError(
                f"Expected all of {uri} within {limits.SOURCE_SECONDS:g} seconds, found "
                f"{size_text(size)} by then. Download the file and give its path."
            ) from None
        if chunk is None:
            return
        size += len(chunk)
        if largest is not None and size > largest:
            raise DataError(
                f"Expected at most {size_text(largest)} at {uri}, found more. "
                "If you trust it and have the room, add -P allow_large=true."
            )
        yield chunk


def _next(chunks: Iterator[bytes]) -> "Future[bytes | None]":
    """Ask for the next chunk in a thread, which no process waits for at its end."""
    future: Future[bytes | None] = Future()

    def ask() -> None:
        try:
            future.set_result(next(chunks, None))
        except Exception as error:  # noqa: BLE001 - raised again by who waits for the result
            future.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    return future
