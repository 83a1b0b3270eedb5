"""The HTTP client for callers' URLs."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import httpcore

from core.egress.addresses import Address, read_address
from core.egress.bounded_stream import MOST_ANSWER_BYTES, AnswerTooLongError, BoundedStream
from core.egress.policy import EgressPolicy
from core.egress.pools import OriginPools, headers_of
from core.egress.resolver import Resolve
from core.egress.url import Destination
from core.errors import ForbiddenUrlError

MOST_BYTES = 64 * 1024
"""Of an answer's body; the rest is not read."""
KEPT_SECONDS = 30.0
"""How long a connection without requests stays open."""
_MOST_ADDRESSES = 4
"""Of one host that are tried."""
_MOST_REASON = 200
"""Characters of a network's own words: a server that sends no HTTP is quoted in them."""


class EgressError(Exception):
    """There was no answer; the sentence says why."""


@dataclass(frozen=True, kw_only=True)
class EgressResponse:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; of several with one name, the last."""
    body: bytes
    """Its beginning, where it is longer than the client reads."""


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to hosts whose every address may be connected to.

    The look-up, the judgement and the connection are about one and the same address: a name that
    resolves to something else a moment later gains nothing. What is above this, TLS with its
    server name and the Host header, goes on seeing the name.
    """

    def __init__(
        self, policy: EgressPolicy, resolve: Resolve, *, most_bytes: int = MOST_ANSWER_BYTES
    ) -> None:
        """Connect to nothing yet.

        Args:
            policy: Where connections may go.
            resolve: How names are looked up.
            most_bytes: Of one answer, with all that is around its body.
        """
        self._policy = policy
        self._resolve = resolve
        self._most_bytes = most_bytes
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve the host, check its addresses, and connect to the first that answers."""
        addresses = await self._addresses(host, port)
        for number, address in enumerate(addresses, start=1):
            try:
                stream = await self._network.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
                return BoundedStream(stream, self._most_bytes)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise EgressError(f"{host} has no address.")

    async def _addresses(self, host: str, port: int) -> Sequence[Address]:
        try:
            found: Sequence[Address] = [read_address(host)]
        except ValueError:
            try:
                found = await self._resolve(host, port)
            except (OSError, UnicodeError) as error:
                raise EgressError(f"{host} cannot be found.") from error
        for address in found:
            self._policy.check(host, address)
        return found[:_MOST_ADDRESSES]


class EgressClient:
    """Sends requests to callers' URLs; follows no redirect, knows no proxy, keeps no cookie."""

    def __init__(
        self,
        policy: EgressPolicy,
        resolve: Resolve,
        *,
        timeout_seconds: float,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """Connect to nothing before the first request.

        Args:
            policy: Where requests may go.
            resolve: How names are looked up.
            timeout_seconds: For all of a request, from the look-up to the last byte.
            most_bytes: Of an answer's body; the rest is not read.
        """
        self._policy = policy
        self._timeout_seconds = timeout_seconds
        self._most_bytes = most_bytes
        # As much again, and more, for what is around a body.
        backend = GuardedBackend(policy, resolve, most_bytes=2 * most_bytes + MOST_ANSWER_BYTES)
        self._pools = OriginPools(backend, kept_seconds=KEPT_SECONDS)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> EgressResponse:
        """Send a body by POST; see `request`."""
        return await self.request("POST", url, headers, body)

    async def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> EgressResponse:
        """Send a request.

        Raises:
            ForbiddenUrlError: The URL, or what its host resolves to, is not allowed.
            EgressError: There was no answer, or not in time.
        """
        target = self._policy.judge(url)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._exchange(method, target, headers, body)
        except TimeoutError as error:
            seconds = f"{self._timeout_seconds:g}"
            raise EgressError(f"No answer within {seconds} seconds.") from error
        except (EgressError, ForbiddenUrlError):
            raise
        except Exception as error:
            raise EgressError(describe(error)) from error

    async def _exchange(
        self, method: str, target: Destination, headers: Mapping[str, str], body: bytes | None
    ) -> EgressResponse:
        async with self._pools.request(method, target, headers, body) as response:
            return EgressResponse(
                status=response.status,
                headers=headers_of(response),
                body=await _read(response, self._most_bytes),
            )

    async def close(self) -> None:
        """Close the connections."""
        await self._pools.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def _read(response: httpcore.Response, most_bytes: int) -> bytes:
    """Read the beginning of a body; leaving the stream closes a connection that has more."""
    parts, size = [], 0
    # What has come may be less than that, in many chunks: it is the beginning, too.
    with contextlib.suppress(AnswerTooLongError):
        async for part in response.aiter_stream():
            parts.append(part[: most_bytes - size])
            size += len(parts[-1])
            if size >= most_bytes:
                break
    return b"".join(parts)


def describe(error: Exception) -> str:
    """Describe a network's error in a sentence."""
    reason = str(error).strip()
    if len(reason) > _MOST_REASON:
        reason = f"{reason[:_MOST_REASON]}…"
    kinds = {
        AnswerTooLongError: reason,
        httpcore.ConnectTimeout: "The host cannot be connected to in time.",
        httpcore.ConnectError: f"The host cannot be connected to ({reason}).",
        httpcore.ProtocolError: f"The answer is no HTTP ({reason}).",
    }
    for kind, sentence in kinds.items():
        if isinstance(error, kind):
            return sentence
    return f"The connection broke ({reason or type(error).__name__})."
