"""New generations: their columns, the backlogs that they wait in, and how they are inserted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import Session

from core.db.arrays import among
from core.db.bulk_insert import insert_new, insert_rows
from core.db.models import NO_KEY, Generation
from core.db.models.columns import new_id
from core.domain.cache_mode import CacheMode
from core.domain.image_request import ImageRequest
from core.domain.image_spec import ImageSpec
from core.domain.lanes import Lane
from core.domain.states import GenerationState
from core.lifecycle.backlogs import open_backlog
from core.lifecycle.deduplication import Answers, find_or_queue
from core.pictures.formats import ORIGINAL


# Not frozen: a sheet makes a hundred thousand of them, three times as quickly.
@dataclass(kw_only=True)
class NewGeneration:
    """A generation's columns when it is queued, beside its parameters: see `ImageSpec`."""

    id: UUID
    tenant: str
    api_key_id: UUID
    fingerprint: str
    bundle_revision: str
    lane: Lane
    reusable: bool
    channels: Sequence[str]
    approximate_scope: str | None
    exact_fingerprint: str | None
    backlog_id: UUID | None
    state: GenerationState = GenerationState.QUEUED
    attempts: int = 0

    def row(self, spec: ImageSpec) -> dict[str, Any]:
        """Return all columns."""
        return spec.document() | vars(self)


class Backlogs:
    """The backlogs of one request: one for each model that it leaves rows for."""

    def __init__(
        self, session: Session, *, lane: Lane, tenant: str, api_key_id: UUID | None
    ) -> None:
        self._session = session
        self._owner: Mapping[str, Any] = {
            "lane": lane, "tenant": tenant, "api_key_id": api_key_id or NO_KEY,
        }  # fmt: skip
        self._opened: dict[str, UUID] = {}

    def of(self, bundle_revision: str) -> UUID:
        """Return the backlog of a model, opened if there was none."""
        if bundle_revision not in self._opened:
            self._opened[bundle_revision] = open_backlog(
                self._session, **self._owner, bundle_revision=bundle_revision
            )
        return self._opened[bundle_revision]


def insert_shared(session: Session, rows: Iterable[Mapping[str, Any]]) -> set[UUID]:
    """Insert generations unless the same is in flight; that is left alone.

    Returns:
        The ids of those that were inserted.
    """
    # Sorted: two sheets with the same products in another order must not deadlock.
    ordered = sorted(rows, key=itemgetter("fingerprint"))
    ids = [row["id"] for row in ordered]
    table = Generation.__table__  # type: ignore[attr-defined]
    if insert_new(session, table, ordered) == len(ids):
        return set(ids)
    # Not RETURNING: one statement for many rows takes psycopg four times as long to read.
    made = select(table.c.id).where(among(table.c.id, ids))
    return set(session.execute(made).scalars())


@dataclass(frozen=True, kw_only=True)
class Request:
    """What all wanted images of one call have in common."""

    session: Session
    tenant: str
    lane: Lane
    cache: CacheMode
    publishes: int | None
    api_key_id: UUID | None


@dataclass(frozen=True, kw_only=True)
class Item:
    """One wanted image, and by what it is found."""

    wanted: ImageRequest
    exact: str
    """Its fingerprint when it is computed from the first step on."""
    fingerprint: str
    name: str
    """What equal ones share; the fingerprint, except where nothing may be shared."""
    scope: str | None = None
    """Of an image that may begin with another's latents: see `ImageRequest.scope`."""


class Queue:
    """Finds what answers the images of one request, and inserts generations of the others."""

    def __init__(self, request: Request, items: Sequence[Item]) -> None:
        self._request = request
        self._first: dict[str, Item] = {}
        for item in items:
            self._first.setdefault(item.name, item)
        self._later: set[str] = set()
        """Names of those whose messages the housekeeping sends, and not the caller."""
        self._backlogs = Backlogs(
            request.session,
            lane=request.lane,
            tenant=request.tenant,
            api_key_id=request.api_key_id,
        )

    def answer(self, ttl_seconds: float) -> Answers:
        """Return what answers each name."""
        request = self._request
        if request.cache is CacheMode.BYPASS:
            # Everything for itself alone.
            ids = {name: new_id() for name in self._first}
            table = Generation.__table__  # type: ignore[attr-defined]
            insert_rows(request.session, table, self._rows(ids))
            return Answers(generations=ids, created=list(ids))
        return find_or_queue(
            request.session,
            request.tenant,
            {name: item.exact for name, item in self._first.items()},
            self._insert,
            ttl_seconds=ttl_seconds if request.cache is CacheMode.USE else None,
        )

    def published(self, answers: Answers) -> Sequence[UUID]:
        """Return the new generations whose messages the caller sends."""
        return [answers.generations[one] for one in answers.created if one not in self._later]

    def _insert(self, names: Sequence[str]) -> Mapping[str, UUID]:
        """Queue what nobody computes yet; what is in flight already is left alone."""
        # Ids ascend in the sheet's order, in which the sweeper publishes.
        ids = {name: new_id() for name in names}
        inserted = insert_shared(self._request.session, self._rows(ids))
        return {name: one for name, one in ids.items() if one in inserted}

    def _rows(self, ids: Mapping[str, UUID]) -> list[dict[str, Any]]:
        request, names = self._request, list(ids)
        later = set() if request.publishes is None else set(names[request.publishes :])
        self._later |= later
        rows = []
        for name in names:
            item = self._first[name]
            revision = item.wanted.model.revision
            new = NewGeneration(
                id=ids[name],
                tenant=request.tenant,
                api_key_id=request.api_key_id or NO_KEY,
                fingerprint=item.fingerprint,
                bundle_revision=revision,
                lane=request.lane,
                reusable=request.cache is not CacheMode.BYPASS,
                channels=[name for name in item.wanted.files if name != ORIGINAL],
                approximate_scope=item.scope,
                exact_fingerprint=item.exact if item.scope else None,
                backlog_id=self._backlogs.of(revision) if name in later else None,
            )
            rows.append(new.row(item.wanted.decided(item.exact)))
        return rows
