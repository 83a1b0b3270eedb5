"""Many single images, asked for at once."""

from typing import Annotated

from pydantic import BaseModel, Field

from api.schemas.jobs import JobView
from api.schemas.requests import JobRequest
from api.schemas.strict import StrictModel

MOST_REQUESTS = 1000


class KeyedJobRequest(JobRequest):
    """One of them."""

    idempotency_key: Annotated[str, Field(pattern=r"^[!#-\[\]-~]{1,255}$")] | None = Field(
        None,
        description="A new UUID, for example: the same request with the same key is done once, "
        "in whichever body it comes again.",
    )


class BulkJobRequest(StrictModel):
    """Requests for images that have nothing to do with each other."""

    requests: list[KeyedJobRequest] = Field(min_length=1, max_length=MOST_REQUESTS)


class BulkJob(BaseModel):
    """What became of one of them."""

    job: JobView
    is_repeated: bool = Field(
        description="Whether its `idempotency_key` came before: it is that request's job."
    )


class BulkJobs(BaseModel):
    """What became of them, in their order."""

    jobs: list[BulkJob]
