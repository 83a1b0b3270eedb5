"""Photographs that come in."""

from pydantic import BaseModel, Field, PositiveInt


class SourceSettings(BaseModel):
    """Photographs of products: how they come in, and how long they are kept."""

    max_source_bytes: PositiveInt = Field(
        default=32 * 2**20, description="Most bytes of one photograph."
    )
    source_uploads: int = Field(
        default=32,
        ge=2,
        description="Photographs that one API process receives at the same time; half of them from "
        "each tenant.",
    )
    source_retention_seconds: int = Field(
        default=90 * 24 * 3600,
        ge=0,
        description="How long a photograph is kept after it was last sent or used; 0 for ever.",
    )
