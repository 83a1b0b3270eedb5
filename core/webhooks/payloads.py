"""What events say of jobs and batches."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import BindParameter, bindparam, case, func, null, select, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Session, col

from core.db.arrays import among
from core.db.models import Image, Job
from core.domain.states import JobState
from core.errors import RETRY_HELPS

MOST_REASON = 2000
"""Characters of an error's sentence that an event holds."""


def _retried() -> list[str]:
    """Return the codes of errors that a retry may mend; those of photographs come with a worker."""
    return [code for code, helps in RETRY_HELPS.items() if helps]


_RETRIED: BindParameter[str] = bindparam("retried", callable_=_retried, expanding=True)

JOB_DATA = func.jsonb_build_object(
    *("job_id", col(Job.id)),
    *("batch_id", col(Job.batch_id)),
    *("sku", col(Job.sku)),
    *("variant", col(Job.variant)),
    *("line", col(Job.line)),
    *("state", col(Job.state)),
    *("approval", col(Job.approval)),
    *("cache", col(Job.cache)),
    "error",
    case(
        (col(Job.error_code).is_(None), type_coerce(null(), JSONB)),
        else_=func.jsonb_build_object(
            *("code", col(Job.error_code)),
            *("message", func.left(col(Job.error_message), MOST_REASON)),
            *("retry_helps", col(Job.error_code).in_(_RETRIED)),
            type_=JSONB,
        ),
    ),
    "image",
    case(
        (col(Image.id).is_(None), type_coerce(null(), JSONB)),
        else_=func.jsonb_build_object(
            *("content_type", col(Image.content_type)),
            *("digest", col(Image.digest)),
            *("size", col(Image.size)),
            *("width", col(Image.width)),
            *("height", col(Image.height)),
            type_=JSONB,
        ),
    ),
    type_=JSONB,
)
"""What an event says of a job: its row and its image's, never the image."""


def count_jobs(session: Session, batch_ids: Collection[UUID]) -> Mapping[UUID, Mapping[str, int]]:
    """Count the jobs of batches by state: reads every one of them."""
    counts: dict[UUID, dict[str, int]] = defaultdict(lambda: dict.fromkeys(JobState, 0))
    if batch_ids:
        statement = (
            select(col(Job.batch_id), col(Job.state), func.count())
            .where(among(Job.batch_id, batch_ids))
            .group_by(col(Job.batch_id), col(Job.state))
        )
        for batch_id, state, number in session.execute(statement):
            counts[batch_id][state] = number
    return counts
