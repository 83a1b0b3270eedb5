"""Photographs at addresses: fetched politely, through the guard, once while they are valid.

For a stage of a worker: `fetch` is called by any thread, and ends by its deadline. It never holds a
connection to Postgres while it waits for somebody's server.
"""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from tempfile import SpooledTemporaryFile
from typing import IO, Self
from urllib.parse import unquote, urljoin, urlsplit
from uuid import UUID

from anyio.from_thread import BlockingPortal, start_blocking_portal

from core import __version__
from core.db.engine import Database
from core.egress.client import EgressError
from core.egress.download import (
    Downloader,
    DownloadHead,
    DownloadTooLargeError,
    DownloadTooSlowError,
)
from core.egress.policy import EgressPolicy
from core.egress.politeness import HostRestsError, Politeness
from core.egress.resolver import Resolve, SystemResolver
from core.egress.url import Destination
from core.pictures.photograph_errors import OversizedPhotographError
from core.settings import Settings
from core.sources import addresses
from core.sources.addresses import CachedAddress
from core.sources.answers import check_answer, rest_seconds
from core.sources.fetch_errors import (
    PhotographMisdirectedError,
    PhotographServerFailedError,
    PhotographTooSlowError,
    PhotographUnreachableError,
)
from core.sources.file_names import clean_file_name
from core.sources.freshness import fresh_until
from core.sources.store import IN_MEMORY_BYTES, SourceStore

MOST_REDIRECTS = 5

REDIRECTS = frozenset({301, 302, 303, 307, 308})

_ASKED: Mapping[str, str] = {
    "User-Agent": f"packshot/{__version__}",
    # As it is: shops' delivery networks send smaller copies to those who take newer formats.
    "Accept": "image/jpeg, image/png, image/tiff, image/*;q=0.8",
    "Accept-Encoding": "identity",
}


class FetchOutcome(StrEnum):
    """What it took to get a photograph."""

    VALID = "valid"
    """It was there and valid: nobody was asked."""
    UNCHANGED = "unchanged"
    """Its server said that it is still the same."""
    FETCHED = "fetched"
    """It was received."""


@dataclass(frozen=True, kw_only=True)
class FetchedSource:
    """A photograph that an address led to."""

    source_id: UUID
    outcome: FetchOutcome


@dataclass(frozen=True, kw_only=True)
class _Received:
    head: DownloadHead
    target: Destination
    """Where it was in the end."""


class SourceFetcher:
    """Gets photographs from callers' addresses into the store."""

    def __init__(
        self,
        *,
        database: Database,
        store: SourceStore,
        settings: Settings,
        resolve: Resolve | None = None,
    ) -> None:
        """Connect to nothing before the first photograph.

        Args:
            database: Where the addresses' rows are.
            store: Where photographs are kept.
            settings: Where requests may go, how often, and how long they may take.
            resolve: How names are looked up; None: by the machine's resolver.
        """
        self._database = database
        self._store = store
        self._policy = EgressPolicy.of(settings)
        self._seconds = settings.fetch_seconds
        self._politeness = Politeness(
            at_once=settings.fetch_host_connections, pause_seconds=settings.fetch_host_pause
        )
        self._stack = ExitStack()
        if resolve is None:
            resolver = SystemResolver()
            self._stack.callback(resolver.close)
            resolve = resolver.resolve
        self._downloader = Downloader(self._policy, resolve, max_bytes=store.max_bytes)
        # One loop in a thread of its own, for whichever threads call.
        self._portal: BlockingPortal = self._stack.enter_context(start_blocking_portal())
        self._stack.callback(self._portal.call, self._downloader.close)

    def fetch(self, address: str, *, tenant: str, deadline: float | None = None) -> FetchedSource:
        """Return the photograph at an address, from the store where that is valid.

        Args:
            address: A caller's URL.
            tenant: Whose photograph it becomes.
            deadline: When it has to be there, by the monotonic clock; it never takes longer than
                `PACKSHOT_FETCH_SECONDS`.

        Raises:
            ForbiddenUrlError: The address, or one that it leads to, may not be requested.
            PhotographMissingError: There is none (404, 410).
            PhotographRefusedError: The server gives it to nobody, or not to us (4xx).
            PhotographMisdirectedError: Its redirects do not end, or lead nowhere.
            PhotographServerFailedError: The server fails or asks to come later: a retry helps.
            PhotographUnreachableError: There was no answer, or it broke off: a retry helps.
            PhotographTooSlowError: It did not come in time: a retry helps.
            InvalidImageError: What came is no photograph that can be used, or too large.
            SourcesFullError: The tenant has no room for it.
            BotoCoreError: S3 is away; nothing was kept.
            ClientError: S3 refuses; the same.
        """
        until = time.monotonic() + self._seconds
        until = until if deadline is None else min(until, deadline)
        target = self._policy.judge(address)
        with self._database.session() as session:
            cached = addresses.look_up(session, tenant, target.url)
        if cached is not None and cached.is_fresh:
            return FetchedSource(source_id=cached.source.id, outcome=FetchOutcome.VALID)
        with SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as stream:
            received = self._receive(target, cached, stream, until)
            return self._keep(stream, received, cached, tenant=tenant, address=target.url)

    def _receive(
        self,
        target: Destination,
        cached: CachedAddress | None,
        stream: IO[bytes],
        until: float,
    ) -> _Received:
        """Ask for the file, wherever it leads, and write it."""
        try:
            return self._portal.call(self._follow, target, cached, stream, until)
        except DownloadTooLargeError as error:
            raise OversizedPhotographError(
                f"The photograph has more than {self._store.max_bytes:,} bytes "
                "(PACKSHOT_MAX_SOURCE_BYTES). Name a smaller one."
            ) from error
        except DownloadTooSlowError as error:
            raise PhotographTooSlowError(str(error)) from error
        except HostRestsError as error:
            raise PhotographServerFailedError(
                f"{target.host} can be asked again in {error.seconds:.0f} seconds: it said so, or "
                "many of its photographs are waited for. Try again then.",
                retry_after=int(error.seconds) + 1,
            ) from error
        except EgressError as error:
            raise PhotographUnreachableError(str(error)) from error
        except TimeoutError as error:
            raise PhotographTooSlowError(
                f"Too many photographs of {target.host} were waited for. Try again later."
            ) from error

    async def _follow(
        self,
        target: Destination,
        cached: CachedAddress | None,
        stream: IO[bytes],
        until: float,
    ) -> _Received:
        headers = {**_ASKED, **_conditions(cached)}
        for _ in range(MOST_REDIRECTS + 1):
            async with self._politeness.visit(target.host, until=until):
                seconds = max(0.0, until - time.monotonic())
                head = await self._downloader.get(target, headers, stream, seconds=seconds)
            if rest := rest_seconds(head):
                self._politeness.rest(target.host, seconds=rest)
            if head.status not in REDIRECTS:
                return _Received(head=head, target=target)
            # Each address on the way is a caller's, as the first one is.
            target = self._policy.judge(_location(target, head))
        raise PhotographMisdirectedError(
            f"The address leads on more than {MOST_REDIRECTS} times. Name the photograph's own "
            "address."
        )

    def _keep(
        self,
        stream: IO[bytes],
        received: _Received,
        cached: CachedAddress | None,
        *,
        tenant: str,
        address: str,
    ) -> FetchedSource:
        head = received.head
        if head.status == 304 and cached is not None:
            source_id, outcome = cached.source.id, FetchOutcome.UNCHANGED
        else:
            check_answer(head, received.target)
            kept = self._store.keep(stream, tenant=tenant, file_name=_name(received.target))
            source_id, outcome = kept.source_id, FetchOutcome.FETCHED
            cached = None
        with self._database.session() as session:
            addresses.record(
                session,
                tenant,
                address,
                source_id=source_id,
                # A 304 need not repeat them.
                etag=head.headers.get("etag") or (cached.etag if cached else None),
                last_modified=head.headers.get("last-modified")
                or (cached.last_modified if cached else None),
                fresh_until=fresh_until(head.headers, now=datetime.now(UTC)),
            )
        return FetchedSource(source_id=source_id, outcome=outcome)

    def close(self) -> None:
        """Close the connections, and end the thread."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _conditions(cached: CachedAddress | None) -> Mapping[str, str]:
    """Ask for the file only if it is another one than is there."""
    if cached is None:
        return {}
    asked = {"If-None-Match": cached.etag, "If-Modified-Since": cached.last_modified}
    return {name: value for name, value in asked.items() if value}


def _location(target: Destination, head: DownloadHead) -> str:
    """Return where a redirect leads.

    Raises:
        PhotographMisdirectedError: It does not say.
    """
    location = head.headers.get("location", "").strip()
    if not location:
        raise PhotographMisdirectedError("The address leads on, and does not say where to.")
    try:
        return urljoin(target.url, location).partition("#")[0]
    except ValueError as error:
        raise PhotographMisdirectedError("The address leads on to what is no URL.") from error


def _name(target: Destination) -> str:
    """Return what a file is called at its address; empty where that is no name."""
    return clean_file_name(unquote(urlsplit(target.path).path))
