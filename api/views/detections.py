"""What was found in an image as an API document, with the job that it is of."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select
from sqlmodel import Session, col

from api.schemas.detections import DetectionView
from core.db.models import Image, Job
from core.lifecycle.erasure import visible
from core.pictures.marks import Marks


def view_detection(session: Session, found: Marks, *, tenant: str | None) -> DetectionView:
    """Write what was found; jobs are named to the tenant that they belong to alone."""
    references = [one.reference for one in found.marks if one.reference]
    job_id = _job_of(session, tenant, references) if tenant is not None else None
    return DetectionView.model_validate(found.document() | {"job_id": job_id})


def _job_of(session: Session, tenant: str, references: Iterable[str]) -> UUID | None:
    for reference in references:
        statement = (
            select(col(Job.id))
            .join(Image, col(Image.id) == col(Job.image_id))
            .where(
                col(Image.tenant) == tenant,
                # As its index has it.
                col(Image.reusable),
                # No hexadecimal digit follows f.
                col(Image.fingerprint).between(reference, f"{reference}g"),
                col(Job.tenant) == tenant,
                visible(Job.batch_id),
            )
            .order_by(col(Job.id).desc())
            .limit(1)
        )
        if found := session.scalars(statement).first():
            return found
    return None
