"""The JSON of judgements."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, model_validator

from api.schemas.jobs import ApprovalView
from api.schemas.parameters import Text
from api.schemas.strict import StrictModel
from core.domain.approval import Approval

MOST_JUDGED = 500
"""Jobs that one request names."""

Reason = Annotated[Text, Field(max_length=500)]


class JudgementRequest(StrictModel):
    """What somebody says of a job's image."""

    state: Approval
    reason: Reason | None = Field(None, description="For people.")
    version: int = Field(
        0,
        ge=0,
        le=2**31 - 1,
        description="`approval.version` as you saw it; 0: nobody had judged it. Where somebody has "
        "judged it meanwhile, the answer is 409, and says who and when.",
    )


class SeenJob(StrictModel):
    """A job, and what was known of its image's approval."""

    id: UUID
    version: int = Field(0, ge=0, le=2**31 - 1, description="`approval.version` as you saw it.")


class WaitingImages(StrictModel):
    """Those images of a batch that wait for a judgement, and nothing that anybody has judged."""

    flagged: bool | None = Field(
        None, description="true: those that somebody should look at; false: the others; null: all."
    )
    sku: Text | None = Field(None, max_length=200, description="Of this product alone.")
    finished_before: AwareDatetime | None = Field(
        None, description="Only those that were there then: name the moment at which you looked."
    )


class JudgementsRequest(StrictModel):
    """What somebody says of several images of a batch: of jobs by name, or of what waits."""

    state: Approval
    reason: Reason | None = Field(None, description="For people; the same for all of them.")
    jobs: list[SeenJob] | None = Field(None, min_length=1, max_length=MOST_JUDGED)
    waiting: WaitingImages | None = None

    @model_validator(mode="after")
    def _names_images_once(self) -> Self:
        if (self.jobs is None) == (self.waiting is None):
            raise ValueError("name `jobs`, or `waiting`: {} for all that wait for a judgement")
        return self


class ConflictView(BaseModel):
    """A job that somebody else has judged meanwhile."""

    id: UUID
    approval: ApprovalView


class JudgementsView(BaseModel):
    """What became of judgements."""

    changed: int
    unchanged: int = Field(description="Images of which that was said already.")
    conflicts: list[ConflictView] = Field(
        description="Those that somebody else has judged meanwhile; they are as that one said."
    )
    without_image: list[UUID] = Field(description="Jobs that have no image.")
    missing: list[UUID] = Field(description="Jobs that this batch does not have.")


class JudgementView(BaseModel):
    """One change of what is said of an image."""

    before: Approval
    after: Approval
    by: str = Field(description="The name of the key that said it.")
    at: datetime
    reason: str | None
    digest: str | None = Field(description="SHA-256 of the image that was judged, hex.")


class JudgementList(BaseModel):
    """What was said of a job's image, newest first; the last thousand changes."""

    items: list[JudgementView]
