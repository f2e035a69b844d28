"""Limit the size of a download, and the time that the whole download takes.

A time limit for single reads is not enough: a server can send one byte, even of the headers,
shortly before each limit.
"""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future

from reprise.errors import DataError
from reprise.trust import limits
from reprise.trust.documents import size_text


def bounded(chunks: Iterator[bytes], uri: str, *, largest: int | None) -> Iterator[bytes]:
    """Pass on the chunks of a download, up to a limit of size and of time.

    Parameters
    ----------
    chunks : iterator of bytes
        Connects when its first chunk is requested.
    uri : str
        The address, without credentials.
    largest : int or None
        Number of bytes; None means no limit.

    Raises
    ------
    DataError
        If the download exceeds a limit.
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
                "If you trust it and have the space, add -P allow_large=true."
            )
        yield chunk


def _next(chunks: Iterator[bytes]) -> "Future[bytes | None]":
    """Request the next chunk in a daemon thread, so that no process waits for it at its end."""
    future: Future[bytes | None] = Future()

    def ask() -> None:
        try:
            future.set_result(next(chunks, None))
        except Exception as error:  # noqa: BLE001 - raised again where the result is read
            future.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    return future
