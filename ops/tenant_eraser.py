"""Erasing a tenant: everything of it in Postgres and S3, its keys first."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Table, delete, func, select
from sqlmodel import Session, SQLModel, col

from core.broker import BROKER_ERRORS
from core.db.arrays import among
from core.db.engine import Database
from core.db.models import (
    ApiKey,
    Batch,
    CallbackSecret,
    ColumnMapping,
    ErasureRecord,
    Generation,
    IdempotencyRecord,
    Image,
    Job,
    PublishRun,
    PublishTarget,
    Recipe,
    Source,
    TenantGlossary,
    WebhookEndpoint,
    WebhookEvent,
)
from core.lifecycle import approximation, backlogs, erasure, retention
from core.lifecycle.approximation import LATENTS
from core.lifecycle.cancellation import cancel_alone, cancel_batch, messages_of
from core.object_keys import IMAGES, RENDITIONS, SOURCES
from core.queue import Publisher
from core.sources import rows as source_rows
from core.storage import AT_ONCE, Storage
from core.webhooks.deliveries import NIL
from ops.eraser import Eraser
from ops.janitor import Janitor

log = structlog.get_logger(__name__)

WINDOW = 10_000
"""Rows of a table without an index by tenant that one transaction looks at."""


class TenantEraser:
    """Erases one tenant; it may run while others are served, and again after a crash."""

    def __init__(
        self,
        *,
        database: Database,
        storage: Storage,
        publisher: Publisher,
        eraser: Eraser,
        janitor: Janitor,
    ) -> None:
        self._database = database
        self._storage = storage
        self._publisher = publisher
        self._eraser = eraser
        self._janitor = janitor

    def count(self, tenant: str) -> Mapping[str, int]:
        """Count a tenant's rows, by table; tables without any are left out."""
        with self._database.session() as session:
            counted = {
                table.name: session.execute(
                    select(func.count()).select_from(table).where(table.c.tenant == tenant)
                ).scalar_one()
                for table in _tables()
            }
        return {name: number for name, number in counted.items() if number}

    def erase(self, tenant: str) -> Mapping[str, int]:
        """Erase everything of a tenant.

        Returns:
            What is there nevertheless, as `count` returns it: what requests wrote that had begun
            before the keys were gone. Erase the tenant again.

        Raises:
            SQLAlchemyError: Postgres is away; go on later.
            BotoCoreError: S3 is away; the same.
            ClientError: S3 refuses; the same.
        """
        self._delete_keys(tenant)
        self._cancel(tenant)
        while self._eraser.erase_hidden(tenant):
            pass
        while self._erase_alone(tenant):
            pass
        self._in_windows(Image, tenant, retention.mark)
        self._janitor.collect_marked()
        self._erase_generations(tenant)
        with self._database.session() as session:
            source_rows.mark(session, col(Source.tenant) == tenant)
        self._eraser.collect_sources()
        with self._database.session() as session:
            latents = approximation.purge(session, tenant=tenant)
        self._storage.delete(latents)
        self._in_windows(WebhookEvent, tenant, _delete_events)
        with self._database.session() as session:
            # Runs take their products with them.
            for table in (
                *(PublishRun, PublishTarget, Recipe, TenantGlossary, ColumnMapping),
                *(WebhookEndpoint, CallbackSecret, ErasureRecord),
            ):
                session.execute(delete(table).where(col(table.tenant) == tenant))
        self._delete_objects(tenant)
        return self.count(tenant)

    def _delete_keys(self, tenant: str) -> None:
        """Delete the keys and the answers that were kept for them: nothing new comes in."""
        with self._database.session() as session:
            keys = list(
                session.execute(
                    select(col(ApiKey.id)).where(col(ApiKey.tenant) == tenant)
                ).scalars()
            )
            session.execute(delete(ApiKey).where(among(ApiKey.id, keys)))
            session.execute(
                delete(IdempotencyRecord).where(among(IdempotencyRecord.api_key_id, keys))
            )

    def _cancel(self, tenant: str) -> None:
        """Cancel what is not finished, and hide the batches."""
        with self._database.session() as session:
            self._revoke(messages_of(session, cancel_alone(session, tenant)))
            shown = select(col(Batch.id)).where(
                col(Batch.tenant) == tenant, col(Batch.deleted_at).is_(None)
            )
            batches = session.execute(shown).scalars().all()
        for batch_id in batches:
            with self._database.session() as session:
                self._revoke(messages_of(session, cancel_batch(session, batch_id)))
                erasure.hide_batch(session, batch_id)
        with self._database.session() as session:
            backlogs.close_empty(session)

    def _revoke(self, generation_ids: list[UUID]) -> None:
        try:
            self._publisher.revoke(generation_ids)
        except BROKER_ERRORS as error:
            log.warning("Redis is away: workers see the cancellation later", reason=str(error))

    def _erase_alone(self, tenant: str) -> bool:
        """Erase a portion of the jobs without a batch; return whether any went."""
        with self._database.session() as session:
            found = session.execute(
                select(col(Job.id))
                .where(col(Job.tenant) == tenant, col(Job.batch_id).is_(None))
                .limit(erasure.JOBS)
            ).scalars()
            portion = erasure.erase_jobs(session, list(found), images=True)
        self._storage.delete(portion.latents)
        return bool(portion)

    def _erase_generations(self, tenant: str) -> None:
        """Scrub the computations that no job remembers."""
        for ids in self._windows(Generation):
            with self._database.session() as session:
                of_tenant = select(col(Generation.id)).where(
                    col(Generation.id).between(*ids), col(Generation.tenant) == tenant
                )
                found = session.execute(of_tenant).scalars().all()
                latents = erasure.erase_generations(session, found)
            self._storage.delete(latents)

    def _in_windows(self, table: type[Any], tenant: str, work: Callable[..., object]) -> None:
        """Run `work(session, *where)` for a tenant's rows of a table, a portion at a time."""
        for ids in self._windows(table):
            with self._database.session() as session:
                work(session, col(table.id).between(*ids), col(table.tenant) == tenant)

    def _windows(self, table: type[Any]) -> Iterator[tuple[UUID, UUID]]:
        """Yield the first and the last id of each portion of a table."""
        after = NIL
        while True:
            with self._database.session() as session:
                window = select(col(table.id)).where(col(table.id) > after)
                window = window.order_by(col(table.id)).limit(WINDOW)
                ids = session.execute(window).scalars().all()
            if not ids:
                return
            after = ids[-1]
            yield ids[0], after

    def _delete_objects(self, tenant: str) -> None:
        """Delete the objects that lost their rows long ago, or never had one."""
        for kind in (IMAGES, RENDITIONS, SOURCES, LATENTS):
            listed = (key for key, _ in self._storage.listed(f"{kind}{tenant}/"))
            while keys := list(islice(listed, AT_ONCE)):
                self._storage.delete(keys)


def _tables() -> list[Table]:
    """Find the tables whose rows belong to tenants."""
    return [one for one in SQLModel.metadata.sorted_tables if "tenant" in one.c]


def _delete_events(session: Session, *where: ColumnElement[bool]) -> None:
    session.execute(delete(WebhookEvent).where(*where))
