"""A network of its own for clients, from which they reach the ports they are given and no other."""

import asyncio
import contextlib
import ctypes
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from driving import HOST, until

_CLONE_NEWNET = 0x40000000


@contextlib.contextmanager
def isolated(ports: Sequence[int]) -> Iterator[list[str]]:
    """Make a network that has only loopback, and there only some ports of this machine's.

    Yields what a command starts with to run in it. Needs root. Nothing can leave that network but
    through these ports: connections are accepted in it, and made anew outside.
    """
    with subprocess.Popen(["unshare", "--net", "sleep", "infinity"]) as holder:
        try:
            network = Path(f"/proc/{holder.pid}/ns/net")
            own = Path("/proc/self/ns/net").readlink()
            until(lambda: network.readlink() != own, what="a network")
            enter = ["nsenter", f"--net={network}", "--"]
            subprocess.run([*enter, "ip", "link", "set", "lo", "up"], check=True)
            listening = [_listening_in(network, port) for port in ports]
            with _relaying(listening):
                yield enter
        finally:
            holder.kill()


def _listening_in(network: Path, port: int) -> socket.socket:
    """Return a socket that listens in another network; it stays there when the thread is gone."""
    made: list[socket.socket] = []

    def listen() -> None:
        with network.open() as file:
            assert ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET) == 0
        made.append(socket.create_server((HOST, port)))

    thread = threading.Thread(target=listen)  # the thread alone enters, and ends there
    thread.start()
    thread.join()
    return made[0]


@contextlib.contextmanager
def _relaying(listening: Sequence[socket.socket]) -> Iterator[None]:
    """Pass on what comes in on each socket to the same port of this machine's network."""
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        for each in listening:
            port = each.getsockname()[1]

            async def relay(reader, writer, port=port):
                there = await asyncio.open_connection(HOST, port)
                await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))

            await asyncio.start_server(relay, sock=each)

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(serve(), loop).result()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for each in listening:
            each.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while content := await reader.read(1 << 18):
            writer.write(content)
            await writer.drain()
    with contextlib.suppress(ConnectionError):
        writer.close()
