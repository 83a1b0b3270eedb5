"""Photographs leave with the images that were made of them.

An image says which photographs it was made of. Of older ones, and of what is not made yet, the
request says it: by the photograph's digest, or by an address that led to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlmodel import Session, col

from core.db.arrays import among
from core.db.connections import allow_long_statements
from core.db.locks import lock_images
from core.db.models import FetchedAddress, Generation, Image, Source
from core.domain.states import IN_FLIGHT
from core.lifecycle import erasure
from core.lifecycle.cancellation import cancel_work
from core.lifecycle.erasure_counts import ErasureCounts, count_images
from core.lifecycle.retention import stays


@dataclass(frozen=True, kw_only=True)
class ErasedImages:
    """What was made of a photograph, and is gone."""

    counts: ErasureCounts
    latents: Sequence[str]
    """Keys of objects, which are to be deleted after the commit."""
    stopped: Sequence[UUID]
    """Generations that nobody waits for any more."""


def erase_images_of(session: Session, source: Source) -> ErasedImages:
    """Cancel what is being made of a photograph, and erase what was, from all jobs that have it.

    The jobs stay, without image; what webhooks were to be told of it goes.

    Args:
        session: An open transaction.
        source: The photograph, or a mask.
    """
    allow_long_statements(session)
    requested = _requested(session, source)
    # First: what ends meanwhile is then among the images, or recorded by nobody.
    stopped = cancel_work(session, and_(requested, col(Generation.state).in_(IN_FLIGHT)))
    found = [*_made_of(session, source), *_made_before(session, source, requested)]
    images = lock_images(session, among(Image.id, found), stays())
    counts = count_images(session, images)
    erased = erasure.erase_images(session, images)
    counts = replace(counts, events=erased.events)
    return ErasedImages(counts=counts, latents=erased.latents, stopped=stopped)


def _made_of(session: Session, source: Source) -> Sequence[UUID]:
    """Find the images that say they were made of a photograph."""
    holds = col(Image.made_of).contains([source.digest])
    return _images(session, source, holds, col(Image.made_of).is_not(None))


def _made_before(
    session: Session, source: Source, requested: ColumnElement[bool]
) -> Sequence[UUID]:
    """Find the images that do not say of what they were made, by what was requested."""
    made_by = session.execute(select(col(Generation.id)).where(requested)).scalars()
    of_request = among(Image.generation_id, list(made_by))
    return _images(session, source, of_request, col(Image.made_of).is_(None))


def _images(session: Session, source: Source, *where: ColumnElement[bool]) -> Sequence[UUID]:
    statement = select(col(Image.id)).where(col(Image.tenant) == source.tenant, stays(), *where)
    return list(session.execute(statement).scalars())


def _requested(session: Session, source: Source) -> ColumnElement[bool]:
    """Match the generations whose request names a photograph, as its picture or as its mask."""
    addresses = select(col(FetchedAddress.address)).where(
        col(FetchedAddress.source_id) == source.id
    )
    names = [source.digest, *session.execute(addresses).scalars()]
    photograph = Generation.__table__.c.photograph  # type: ignore[attr-defined]
    picture, mask = photograph["source"].astext, photograph["mask"].astext
    return and_(
        col(Generation.tenant) == source.tenant,
        or_(
            and_(photograph.is_not(None), picture == func.any(names)),
            and_(mask.is_not(None), mask == func.any(names)),
        ),
    )
