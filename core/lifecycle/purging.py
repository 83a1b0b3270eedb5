"""Purges: images stop answering, because somebody says so."""

from collections import Counter
from uuid import UUID

from sqlalchemy import and_, or_, select, update
from sqlmodel import Session, col

from core.db.arrays import among
from core.db.connections import allow_long_statements
from core.db.locks import lock_generations, lock_images
from core.db.models import Generation, Image
from core.domain.states import IN_FLIGHT
from core.domain.texts import canonical_text
from core.lifecycle.retention import mark, stays


def purge(
    session: Session,
    *,
    tenant: str | None = None,
    bundle_revision: str | None = None,
    prompt: str | None = None,
    named: bool = False,
) -> Counter[str]:
    """Stop the images that match all of this from answering; the janitor deletes them.

    Work in flight that matches ends for those who wait, and its image answers nobody else.

    Args:
        session: An open transaction.
        tenant: Whose; None: everybody's.
        bundle_revision: Made with this model; None: with any.
        prompt: Of this prompt, compared as fingerprints compare it; None: of any.
        named: Whether to delete also what a batch that runs or a recent result names. Such jobs
            have no image from then on.

    Returns:
        How many images answer no more because of this, by tenant.
    """
    allow_long_statements(session)
    work = _matching(session, tenant, bundle_revision, prompt)
    in_flight = lock_generations(
        session, among(Generation.id, work), col(Generation.state).in_(IN_FLIGHT)
    )
    session.execute(
        update(Generation).where(among(Generation.id, in_flight)).values(reusable=False)
    )
    answering = lock_images(session, among(Image.generation_id, work), and_(col(Image.reusable)))
    purged = session.execute(
        update(Image)
        .where(among(Image.id, answering))
        .values(reusable=False)
        .returning(col(Image.tenant))
    )
    counted = Counter(purged.scalars())
    if named:
        mark(session, among(Image.generation_id, work))
    return counted


def _matching(
    session: Session, tenant: str | None, bundle_revision: str | None, prompt: str | None
) -> list[UUID]:
    """Find the generations that are meant, with an image or in flight."""
    image = select(col(Image.id)).where(col(Image.generation_id) == col(Generation.id), stays())
    prompts = Generation.__table__.c.prompt  # type: ignore[attr-defined]
    statement = select(col(Generation.id), prompts).where(
        or_(col(Generation.state).in_(IN_FLIGHT), image.exists())
    )
    if tenant is not None:
        statement = statement.where(col(Generation.tenant) == tenant)
    if bundle_revision is not None:
        statement = statement.where(col(Generation.bundle_revision) == bundle_revision)
    if prompt is None:
        return [identity for identity, _ in session.execute(statement)]
    wanted = canonical_text(prompt)
    # Here, not in Postgres: its lower() and Python's differ for some letters.
    found = session.execute(statement.execution_options(yield_per=10_000))
    return [identity for identity, text in found if canonical_text(text) == wanted]
