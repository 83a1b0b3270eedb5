"""Files at callers' addresses: received whole, up to a size, without following anything."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Self

import httpcore

from core.egress.bounded_stream import MOST_ANSWER_BYTES, AnswerTooLongError
from core.egress.client import KEPT_SECONDS, EgressError, GuardedBackend, describe
from core.egress.policy import EgressPolicy
from core.egress.pools import OriginPools, headers_of
from core.egress.resolver import Resolve
from core.egress.url import Destination
from core.errors import ForbiddenUrlError

_LENGTH = re.compile(r"[0-9]{1,18}")


class DownloadTooLargeError(EgressError):
    """The file has more bytes than may come."""


class DownloadTooSlowError(EgressError):
    """The file did not come in time."""


@dataclass(frozen=True, kw_only=True)
class DownloadHead:
    """What a server said before a file, which is written elsewhere."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; of several with one name, the last."""


class Downloader:
    """Receives files from callers' addresses; follows no redirect, knows no proxy or cookie."""

    def __init__(self, policy: EgressPolicy, resolve: Resolve, *, max_bytes: int) -> None:
        """Connect to nothing before the first file.

        Args:
            policy: Where connections may go.
            resolve: How names are looked up.
            max_bytes: Of one file.
        """
        self._max_bytes = max_bytes
        # As much again for chunk extensions and the like is more than any honest server needs.
        most = 2 * max_bytes + MOST_ANSWER_BYTES
        backend = GuardedBackend(policy, resolve, most_bytes=most)
        self._pools = OriginPools(backend, kept_seconds=KEPT_SECONDS)

    async def get(
        self, target: Destination, headers: Mapping[str, str], sink: IO[bytes], *, seconds: float
    ) -> DownloadHead:
        """Request a file, and write it if the answer is 200; of other answers nothing is read.

        Args:
            target: Where it is, judged already.
            headers: To send, beside Host.
            sink: Where it is written.
            seconds: For all of it, from the look-up to the last byte.

        Raises:
            ForbiddenUrlError: What the host resolves to is not allowed.
            DownloadTooLargeError: It has more bytes, or says so.
            DownloadTooSlowError: It did not come in time.
            EgressError: There was no answer, or it broke off.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._receive(target, headers, sink)
        except TimeoutError as error:
            raise DownloadTooSlowError(
                f"{target.host} did not send the whole file within {seconds:.3g} seconds."
            ) from error
        except (EgressError, ForbiddenUrlError):
            raise
        except AnswerTooLongError as error:
            raise self._too_large() from error
        except Exception as error:
            raise EgressError(describe(error)) from error

    async def _receive(
        self, target: Destination, headers: Mapping[str, str], sink: IO[bytes]
    ) -> DownloadHead:
        async with self._pools.request("GET", target, headers) as response:
            head = DownloadHead(status=response.status, headers=headers_of(response))
            if response.status == 200:
                await self._write(response, head, sink)
            return head

    async def _write(
        self, response: httpcore.Response, head: DownloadHead, sink: IO[bytes]
    ) -> None:
        announced = head.headers.get("content-length", "")
        if _LENGTH.fullmatch(announced) and int(announced) > self._max_bytes:
            raise self._too_large()
        size = 0
        async for part in response.aiter_stream():
            size += len(part)
            if size > self._max_bytes:
                raise self._too_large()
            sink.write(part)

    def _too_large(self) -> DownloadTooLargeError:
        return DownloadTooLargeError(f"The file has more than {self._max_bytes:,} bytes.")

    async def close(self) -> None:
        """Close the connections."""
        await self._pools.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
