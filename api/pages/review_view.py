"""What of a batch the page *Review* shows, as its address and its forms say it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Form

from api.schemas.jobs import JobView
from api.views.job_lists import JobFilter
from core.domain.approval import Approval
from core.domain.states import JobState
from core.links import WORKBENCH

LONGEST_SKU = 200


class Shown(StrEnum):
    """Which images the page shows."""

    PENDING = "pending"
    LOOK = "look"
    """Those that wait and that somebody should look at."""
    APPROVED = "approved"
    REJECTED = "rejected"

    def filter(self, sku: str) -> JobFilter:
        """Return what holds of their jobs.

        Args:
            sku: What their SKUs begin with; empty: they may be any.
        """
        if self is Shown.LOOK:
            return JobFilter(approval=Approval.PENDING, flagged=True, sku_prefix=sku or None)
        return JobFilter(
            state=JobState.SUCCEEDED, approval=Approval(self.value), sku_prefix=sku or None
        )


@dataclass(frozen=True, kw_only=True)
class ReviewForm:
    """What was shown where a form was sent: whoever sent it is led back there."""

    show: Annotated[Shown, Form()] = Shown.PENDING
    sku: Annotated[str, Form(max_length=LONGEST_SKU)] = ""
    before: Annotated[bool, Form()] = False
    cursor: Annotated[str, Form(max_length=LONGEST_SKU)] = ""

    def path(self, batch_id: UUID, *, said_at: datetime | None = None) -> str:
        """Return the page's path.

        Args:
            batch_id: The batch.
            said_at: When that was said which can be taken back there; None: nothing can.
        """
        query = {"show": self.show.value, "sku": self.sku, "cursor": self.cursor}
        query["before"] = "true" if self.before else ""
        query["undo"] = said_at.isoformat() if said_at else ""
        given = urlencode({name: value for name, value in query.items() if value})
        return f"{WORKBENCH}/batches/{batch_id}/review?{given}"


def by_row(jobs: Sequence[JobView]) -> Sequence[Sequence[JobView]]:
    """Put jobs that are in the order of their sheet together by its rows."""
    rows = groupby(jobs, key=lambda job: job.line or job.id)
    return [list(row) for _, row in rows]
