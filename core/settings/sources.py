"""Photographs that come in."""

from pydantic import BaseModel, Field, NonNegativeFloat, PositiveFloat, PositiveInt


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
    fetch_seconds: PositiveFloat = Field(
        default=30.0,
        description="Most seconds that fetching one photograph from its address takes, redirects "
        "included.",
    )
    fetch_host_connections: PositiveInt = Field(
        default=4,
        description="Photographs that one process fetches from one host at the same time.",
    )
    fetch_host_pause: NonNegativeFloat = Field(
        default=0.1,
        description="Seconds between the beginnings of two fetches from one host, in one process.",
    )
