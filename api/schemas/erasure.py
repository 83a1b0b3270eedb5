"""What an erasure took."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field


class ErasureReceipt(BaseModel):
    """What was erased, and when: nobody finds any of it from then on."""

    id: UUID = Field(description="It can be read again: `GET /v1/erasures/{id}`.")
    erased: str = Field(description="Path of what was deleted.")
    erased_at: datetime
    jobs: int = Field(0, description="With their cells, prompts and kept answers.")
    images: int = Field(0, description="That nothing else uses, in every cache.")
    renditions: int = Field(0, description="That those images became for channels.")
    kept_images: int = Field(0, description="That stay, as other jobs of yours use them.")
    events: int = Field(0, description="Of webhooks, with the log of their deliveries.")
    photographs: int = Field(0, description="With their cut-outs.")
    is_complete: bool = Field(
        description="Whether no row of it is left. Otherwise the rows go a thousand within a "
        "minute."
    )
    objects_gone_at: datetime | None = Field(
        description="When it was seen that S3 has none of its images, renditions and photographs "
        "any more; null: not yet, the housekeeping deletes them within a minute."
    )


class ErasurePage(BaseModel):
    """Some receipts."""

    items: list[ErasureReceipt]
    next: str | None = Field(description="Cursor of the page that follows; null on the last.")
