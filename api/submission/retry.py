"""A batch's failed rows, asked for once more."""

from uuid import UUID

from pydantic import Field
from sqlmodel import Session

from api.schemas.requests import LONGEST_DEADLINE
from api.schemas.strict import StrictModel
from api.services import Services
from api.views.batches import find_batch
from core.budgets import queued_budgets
from core.db.models import ApiKey
from core.domain.photograph_spec import CUTOUT_REVISIONS
from core.lifecycle.quota import room_for
from core.lifecycle.retry import failed_jobs, retry_jobs


class Retry(StrictModel):
    """How failed images are tried again."""

    deadline_seconds: float | None = Field(
        None,
        gt=0,
        le=LONGEST_DEADLINE,
        description="Those that are not ready after so many seconds fail; the deadline that they "
        "had counts no more.",
    )


def retry_batch(
    session: Session, services: Services, caller: ApiKey, batch_id: UUID, retry: Retry
) -> int:
    """Queue a batch's failed images again; return how many they are.

    Raises:
        NotFoundError: The caller has no such batch.
        ConflictError: It was cancelled, or a model that was to make its images was replaced.
        TooManyQueuedError: The key that sent the batch has too many waiting already.
    """
    batch = find_batch(session, caller.tenant, batch_id)
    failed = failed_jobs(session, batch_id)
    # They wait for the key that sent the batch again, whoever of its tenant asks for that.
    sender = session.get(ApiKey, batch.api_key_id) if batch.api_key_id else None
    charged = sender or caller
    budgets = queued_budgets(charged, services.settings)
    with room_for(session, budgets, adding=len(failed)):
        retry_jobs(
            session,
            batch,
            failed,
            revisions=[
                *(one.made_by.revision for one in services.models.usable()),
                *CUTOUT_REVISIONS,
            ],
            ttl_seconds=services.settings.result_ttl_seconds,
            deadline_seconds=retry.deadline_seconds,
        )
    return len(failed)
