"""The publisher: claims runs, plans them, carries them out, and takes them back.

Whatever it does to a store may be done twice, so that a run goes on after a kill at any place:
files have names that no other file has, and the galleries of products are set, not added to.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property, partial
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from catalogue.renditions.store import Renditions
from core.db.engine import Database
from core.db.models import PublishItem
from core.domain.states import PublishItemState, PublishState
from core.egress.client import EgressClient
from core.egress.policy import EgressPolicy
from core.egress.resolver import SystemResolver
from core.errors import PackshotError, first_line
from core.pictures.marking import watermark_of
from core.publishing import items as run_items
from core.publishing import runs, targets
from core.publishing.credentials import CredentialBox
from core.publishing.runs import LostClaimError, RunClaim
from core.settings import Settings
from core.signing import credentials_of
from core.storage import STORAGE_ERRORS, Storage
from ops.publishing.files import Files
from ops.publishing.planning import make_plan
from ops.publishing.product import ProductRun
from ops.publishing.store import CredentialsRefusedError, Store, StoreAwayError, StoreRefusedError
from ops.publishing.store_requests import MOST_BYTES, Sleep
from ops.publishing.stores import open_store

log = structlog.get_logger(__name__)

T = TypeVar("T")

LEASE_SECONDS = 900.0
"""Longer than a store may take with all that is asked of it between two writes."""
RUNS_AT_ONCE = 8
"""Of different stores: one store has one run at a time."""
MOST_WAITING = 3
"""Products of a run that its store did not serve, until the rest is left for later, too."""
FIRST_DELAY, LONGEST_DELAY = 10.0, 600.0
"""Seconds for which a run waits while its store is away, twice as long each time."""
PLAN_FAILURES = 5
"""Times that a plan is tried; a run that has begun is never given up."""


class RunPublisher:
    """Carries out publish runs; any number of publishers may do so at once."""

    def __init__(
        self,
        *,
        database: Database,
        storage: Storage,
        settings: Settings,
        sleep: Sleep | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            database: Where the runs are.
            storage: Where the images are.
            settings: The deployment's.
            sleep: Waits for so many seconds; None: as time passes.
        """
        self._database = database
        self._storage = storage
        self._settings = settings
        self._box = CredentialBox.of(settings)
        self._sleep = sleep or asyncio.sleep

    @cached_property
    def _renditions(self) -> Renditions:
        """What channels want of images; made when a run first asks: most never do."""
        return Renditions(
            database=self._database,
            storage=self._storage,
            credentials=credentials_of(self._settings, self._database),
            watermark=watermark_of(self._settings),
            at_once=1,
        )

    def renew_credentials(self) -> None:
        """Encrypt what older secrets encrypted with the first one."""
        with self._database.session() as session:
            renewed = targets.renew_credentials(session, self._box)
        if renewed:
            log.info("credentials of stores encrypted anew", targets=renewed)

    def publish(self) -> None:
        """Do what is due, until nothing is."""
        while claims := self._claim():
            asyncio.run(self._carry_out(claims))

    def _claim(self) -> list[RunClaim]:
        with self._database.session() as session:
            return list(runs.claim(session, most=RUNS_AT_ONCE, lease_seconds=LEASE_SECONDS))

    async def _carry_out(self, claims: list[RunClaim]) -> None:
        resolver = SystemResolver(at_once=RUNS_AT_ONCE)
        try:
            async with EgressClient(
                EgressPolicy.of(self._settings),
                resolver.resolve,
                timeout_seconds=self._settings.publish_timeout,
                most_bytes=MOST_BYTES,
            ) as client:
                await asyncio.gather(*(self._one(claim, client) for claim in claims))
        finally:
            resolver.close()

    async def _one(self, claim: RunClaim, client: EgressClient) -> None:
        """Do what a run's state asks for; leave it for later while its store is away."""
        try:
            store = open_store(claim, self._box, client, sleep=self._sleep)
            await _WORK[claim.state](self, claim, store)
        except LostClaimError:
            log.info("a publish run went on elsewhere", run=str(claim.run_id))
        except (StoreAwayError, CredentialsRefusedError, StoreRefusedError, PackshotError) as error:
            await self._leave(claim, error)
        except STORAGE_ERRORS as error:
            await self._leave(claim, StoreAwayError(f"S3 is away: {first_line(error)}"))
        except SQLAlchemyError:
            # Its claim runs out.
            raise
        except Exception:
            log.exception("a publish run broke", run=str(claim.run_id))
            await self._leave(claim, StoreAwayError("The store's answer was not understood."))

    async def _leave(self, claim: RunClaim, error: Exception) -> None:
        reason = str(error) or type(error).__name__
        log.warning("a publish run waits", run=str(claim.run_id), reason=reason)
        away = isinstance(error, StoreAwayError)
        hopeless = not away or claim.failures + 1 >= PLAN_FAILURES
        if claim.state is PublishState.PLANNING and hopeless:
            await self._write(lambda session: runs.fail(session, claim, reason))
            return
        delay = min(FIRST_DELAY * 2 ** min(claim.failures, 10), LONGEST_DELAY)
        asked = error.seconds if isinstance(error, StoreAwayError) else 0.0
        seconds = max(delay, asked)
        await self._write(lambda session: runs.postpone(session, claim, reason, seconds=seconds))

    async def _plan(self, claim: RunClaim, store: Store) -> None:
        items = await make_plan(
            self._database, claim, store, keep=lambda: self._held(claim, lambda _: None)
        )

        def write(session: Session) -> None:
            runs.hold(session, claim, lease_seconds=LEASE_SECONDS)
            run_items.write_plan(session, claim, items)

        await self._write(write)
        log.info("publish run planned", run=str(claim.run_id), products=len(items))

    async def _run(self, claim: RunClaim, store: Store) -> None:
        await self._each(claim, store, ProductRun.publish)
        await self._finish(claim, PublishState.PUBLISHED)

    async def _undo(self, claim: RunClaim, store: Store) -> None:
        await self._each(claim, store, ProductRun.undo)
        await self._finish(claim, PublishState.UNDONE)

    async def _each(
        self, claim: RunClaim, store: Store, work: Callable[[ProductRun], Awaitable[None]]
    ) -> None:
        """Work on a run's products, some at a time; those that must wait are waited for later."""
        items = await self._write(lambda session: list(run_items.items_of(session, claim.run_id)))
        places = asyncio.Semaphore(self._settings.publish_concurrency)
        files = Files(
            storage=self._storage, renditions=lambda: self._renditions, channel=claim.channel
        )
        waiting: list[StoreAwayError | StoreRefusedError] = []

        async def one(item: PublishItem) -> None:
            async with places:
                if len(waiting) >= MOST_WAITING:
                    return
                product = ProductRun(
                    claim=claim,
                    item=item,
                    store=store,
                    files=files,
                    write=partial(self._held, claim),
                )
                try:
                    await work(product)
                except (StoreAwayError, StoreRefusedError) as error:
                    waiting.append(error)

        try:
            async with asyncio.TaskGroup() as group:
                for item in items:
                    if item.state in (PublishItemState.PLANNED, PublishItemState.PUBLISHED):
                        group.create_task(one(item))
        except BaseExceptionGroup as errors:
            # The first cancelled the others, which go on where they were.
            raise errors.exceptions[0] from errors
        if waiting:
            raise waiting[0]

    async def _finish(self, claim: RunClaim, state: PublishState) -> None:
        await self._held(claim, lambda session: runs.finish(session, claim, state))
        log.info(f"publish run {state.value}", run=str(claim.run_id))

    async def _held(self, claim: RunClaim, work: Callable[[Session], T]) -> T:
        def write(session: Session) -> T:
            runs.hold(session, claim, lease_seconds=LEASE_SECONDS)
            return work(session)

        return await self._write(write)

    async def _write(self, work: Callable[[Session], T]) -> T:
        def write() -> T:
            with self._database.session() as session:
                return work(session)

        return await asyncio.to_thread(write)


_WORK: Mapping[PublishState, Callable[[RunPublisher, RunClaim, Store], Awaitable[None]]] = {
    PublishState.PLANNING: RunPublisher._plan,
    PublishState.RUNNING: RunPublisher._run,
    PublishState.UNDOING: RunPublisher._undo,
}
