"""Which models workers make images from, and what waits for one that no worker has.

Such rows wait in backlogs of their model's revision (`core.lifecycle.backlogs.set_aside`), which
nobody looks through before a worker announces that it serves it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, func, literal_column, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col

from core.db.models import Generation, Worker
from core.domain.states import GenerationState

GONE_SECONDS = 60
"""A worker that has not announced itself for so long serves nothing."""

FORGET_SECONDS = 24 * 3600
"""A worker that has not announced itself for so long is forgotten."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Queued images of one revision of a model."""

    revision: str
    images: int
    workers: int
    """Those that serve it now."""


def _there() -> ColumnElement[bool]:
    return col(Worker.seen_at) > func.now() - timedelta(seconds=GONE_SECONDS)


def announce(
    session: Session,
    name: str,
    revisions: Collection[str],
    images_per_call: Mapping[str, float] = MappingProxyType({}),
) -> None:
    """Note that a worker is there, and all models that it makes images from, loaded or not.

    Args:
        session: Of one transaction.
        name: The worker's.
        revisions: Of its models' bundles.
        images_per_call: How many images shared a UNet call since the last time, by revision; of
            one that is missing what was noted before stays.
    """
    session.execute(
        delete(Worker).where(
            col(Worker.name) == name, col(Worker.bundle_revision).notin_(list(revisions))
        )
    )
    if revisions:
        statement = insert(Worker).values(
            [
                {
                    "name": name,
                    "bundle_revision": revision,
                    "seen_at": func.now(),
                    "images_per_call": images_per_call.get(revision),
                }
                for revision in sorted(revisions)
            ]
        )
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["name", "bundle_revision"],
                set_={
                    "seen_at": func.now(),
                    "images_per_call": func.coalesce(
                        statement.excluded.images_per_call, col(Worker.images_per_call)
                    ),
                },
            )
        )


def leave(session: Session, name: str) -> None:
    """Note that a worker has ended."""
    session.execute(delete(Worker).where(col(Worker.name) == name))


def forget_gone(session: Session) -> None:
    """Delete workers that ended long ago without saying so."""
    long_ago = func.now() - timedelta(seconds=FORGET_SECONDS)
    session.execute(delete(Worker).where(col(Worker.seen_at) < long_ago))


def abandoned(revision: Any) -> ColumnElement[bool]:
    """Match revisions that no worker serves, while there are workers that serve another one.

    Where no worker is there at all, everything waits for one: it may have any.
    """
    served = select(col(Worker.bundle_revision)).where(_there())
    return and_(exists().where(_there()), revision.notin_(served))


def abandoned_sql(revision: str) -> str:
    """Write `abandoned` for a column, where the SQL around it is written by hand."""
    clause = abandoned(literal_column(revision)).compile(
        dialect=postgresql.dialect(),  # type: ignore[no-untyped-call]
        compile_kwargs={"literal_binds": True},
    )
    return f"({clause})"


def abandoned_among(session: Session, revisions: Collection[str]) -> set[str]:
    """Return which of these revisions no worker serves, while workers serve others."""
    if not revisions:
        return set()
    served = set(session.execute(select(col(Worker.bundle_revision)).where(_there())).scalars())
    return set(revisions) - served if served else set()


def abandoned_images(session: Session) -> dict[str, int]:
    """Count what is queued for each revision that no worker serves, while workers serve others."""
    statement = (
        select(col(Generation.bundle_revision), func.count())
        .where(
            col(Generation.state) == GenerationState.QUEUED,
            abandoned(col(Generation.bundle_revision)),
        )
        .group_by(col(Generation.bundle_revision))
    )
    return dict(session.execute(statement).all())


def workers_serving(session: Session) -> dict[str, int]:
    """Count the workers that serve each revision now."""
    serving = (
        select(col(Worker.bundle_revision), func.count())
        .where(_there())
        .group_by(col(Worker.bundle_revision))
    )
    return dict(session.execute(serving).all())


def images_per_call(session: Session) -> dict[str, float]:
    """Return how many images lately shared a UNet call, on average over those that serve it."""
    drawn = (
        select(col(Worker.bundle_revision), func.avg(col(Worker.images_per_call)))
        .where(_there(), col(Worker.images_per_call).is_not(None))
        .group_by(col(Worker.bundle_revision))
    )
    return dict(session.execute(drawn).all())


def queued_images(session: Session, *, tenant: str | None = None) -> dict[str, int]:
    """Count what is queued for each revision, by it; of one tenant, or of all."""
    queued = (
        select(col(Generation.bundle_revision), func.count())
        .where(col(Generation.state) == GenerationState.QUEUED)
        .group_by(col(Generation.bundle_revision))
        .order_by(col(Generation.bundle_revision))
    )
    if tenant is not None:
        queued = queued.where(col(Generation.tenant) == tenant)
    return dict(session.execute(queued).all())


def waiting(session: Session) -> list[Waiting]:
    """Count what is queued for each revision, and the workers that serve it."""
    workers = workers_serving(session)
    return [
        Waiting(revision=revision, images=images, workers=workers.get(revision, 0))
        for revision, images in queued_images(session).items()
    ]
