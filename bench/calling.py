"""What one outgoing POST costs: the caller beside a bare socket that writes and reads the same.

`python -m bench.calling [--calls 40000] [--at-once 16]` serves in a process of its own a socket
that answers every request with 200 and no body, and prints CPU µs a call in this process on uvloop:
the floor writes a request made beforehand and waits for any answer; the caller does all it does
(the place, the head, its time, reading the answer strictly).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import cast

import uvloop

from pintu.kernel.calling import Ask, Caller
from pintu.kernel.egress import Egress

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
BODY = b'{"id":"urn:ngsi-ld:Notification:1","type":"Notification","data":[' + b"1," * 150 + b"1]}"
BAR_US = 25.0


class Answering(asyncio.Protocol):
    """The other side: one answer for every request, which come whole."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer."""
        self._transport.write(ANSWER)


class Floor(asyncio.Protocol):
    """This side, bare: bytes out, bytes in."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        self.transport = cast(asyncio.Transport, transport)

    def ask(self, data: bytes) -> asyncio.Future[bytes]:
        """Write, and wait for whatever comes."""
        self.waiter: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.transport.write(data)
        return self.waiter

    def data_received(self, data: bytes) -> None:
        """It came."""
        self.waiter.set_result(data)


async def serve(port: int) -> None:
    """Answer until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port)
    print("ready", flush=True)
    await server.serve_forever()


async def spent_us(calls: int, at_once: int, call: Callable[[int], Awaitable[object]]) -> float:
    """CPU µs a call of this process."""

    async def work(number: int) -> None:
        for _ in range(calls // at_once):
            await call(number)

    await asyncio.gather(*(call(number) for number in range(at_once)))
    began = time.process_time()
    await asyncio.gather(*(work(number) for number in range(at_once)))
    return (time.process_time() - began) / (calls // at_once * at_once) * 1e6


async def floor(port: int, calls: int, at_once: int) -> float:
    """The bare sockets."""
    loop = asyncio.get_running_loop()
    made = [(await loop.create_connection(Floor, "127.0.0.1", port))[1] for _ in range(at_once)]
    data = b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    data += b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
    found = await spent_us(calls, at_once, lambda number: made[number].ask(data))
    for one in made:
        one.transport.close()
    return found


async def ours(port: int, calls: int, at_once: int) -> float:
    """The caller."""
    caller = Caller(Egress(allow_loopback=True))
    headers = (("Content-Type", "application/json"), ("Link", "<http://x.example/c>;rel=context"))
    ask = Ask(method="POST", url=f"http://127.0.0.1:{port}/x", headers=headers, body=BODY)
    found = await spent_us(calls, at_once, lambda _: caller.call(ask))
    await caller.close()
    return found


def measured(calls: int, at_once: int) -> dict[str, float]:
    """Both figures, in µs, against one server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "bench.calling", "--serve", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            server.stdout.readline()
            return {
                "floor": uvloop.run(floor(port, calls, at_once)),
                "caller": uvloop.run(ours(port, calls, at_once)),
            }
        finally:
            server.terminate()


def main() -> int:
    """Print the two figures; 1 when the caller is over its bar."""
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--calls", type=int, default=40_000)
    reader.add_argument("--at-once", type=int, default=16)
    reader.add_argument("--serve", type=int, default=0)
    asked = reader.parse_args()
    if asked.serve:
        with contextlib.suppress(KeyboardInterrupt):
            uvloop.run(serve(asked.serve))
        return 0
    found = measured(asked.calls, asked.at_once)
    print(f"CPU µs a POST of {len(BODY)} bytes: floor {found['floor']:.1f},", end=" ")
    print(f"caller {found['caller']:.1f} (bar {BAR_US:g})")
    return 0 if found["caller"] <= BAR_US else 1


if __name__ == "__main__":
    sys.exit(main())
