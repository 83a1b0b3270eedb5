"""Photographs that come in."""

from pydantic import BaseModel, Field, NonNegativeFloat, PositiveFloat, PositiveInt


class SourceSettings(BaseModel):
    """Photographs of products: how they come in, and how long they are kept."""

    max_source_bytes: PositiveInt = Field(
        default=32 * 2**20, description="Maximum size of one photograph, in bytes."
    )
    max_album_bytes: PositiveInt = Field(
        default=256 * 2**20,
        description="Maximum size of the photographs that the page New batch takes at once, in "
        "bytes, packed as a ZIP file and unpacked.",
    )
    source_bytes: int = Field(
        default=0,
        ge=0,
        description="Maximum size of a tenant's photographs in store together, in bytes. 0 means "
        "no limit.",
    )
    source_uploads: int = Field(
        default=32,
        ge=2,
        description="Number of photographs that one API process receives at the same time. A "
        "tenant has half of them at most.",
    )
    source_retention_seconds: int = Field(
        default=90 * 24 * 3600,
        ge=0,
        description="Seconds for which a photograph is kept after it was last sent or used. 0 "
        "means for ever.",
    )
    fetch_seconds: PositiveFloat = Field(
        default=30.0,
        description="Maximum seconds for fetching one photograph from its address, redirects "
        "included.",
    )
    fetch_host_connections: PositiveInt = Field(
        default=4,
        description="Maximum number of photographs that one process fetches from one host at the "
        "same time.",
    )
    fetch_host_pause: NonNegativeFloat = Field(
        default=0.1,
        description="Minimum seconds between the beginnings of two fetches of one process from "
        "one host.",
    )
