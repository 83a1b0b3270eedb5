"""Retention."""

from pydantic import BaseModel, Field


class RetentionSettings(BaseModel):
    """How long rows are kept; images have limits of their own, among the caches."""

    job_retention_seconds: int = Field(
        default=365 * 24 * 3600,
        ge=0,
        description="Seconds for which a batch, or a job without one, is kept after its end, with "
        "its sheet's cells and events. 0 means for ever.",
    )
    generation_retention_seconds: int = Field(
        default=7 * 24 * 3600,
        ge=3600,
        description="Seconds for which the record of a computation is kept that no job and no "
        "image needs. It leads to the objects that a lost worker left.",
    )
    erasure_receipt_retention_seconds: int = Field(
        default=3 * 365 * 24 * 3600,
        ge=0,
        description="Seconds for which the receipt of an erasure can be read again. 0 means for "
        "ever.",
    )
    key_retention_seconds: int = Field(
        default=0,
        ge=0,
        description="Seconds for which an API key is listed after it was revoked or expired. 0 "
        "means for ever.",
    )
