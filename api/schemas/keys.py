"""The JSON of API keys."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from api.schemas.parameters import Line
from api.schemas.strict import StrictModel
from core.domain.cache_mode import CacheMode
from core.domain.scopes import Scope

LONGEST_LIFE = 10 * 365 * 24 * 3600
"""Seconds."""
LONGEST_OVERLAP = 30 * 24 * 3600
"""Seconds."""

MOST_BYTES = 2**53
"""What every client's numbers hold."""

Limit = Annotated[int | None, Field(ge=0, le=10**9)]


class KeyRequest(StrictModel):
    """A key that is wanted: no more than the one that it is made with."""

    name: Line = Field("", max_length=200, description="What the key is for.")
    scopes: list[Scope] = Field(
        default_factory=lambda: list(Scope),
        min_length=1,
        max_length=8,
        description="What it may; left out: what your key may.",
    )
    expires_seconds: int | None = Field(
        None,
        ge=1,
        le=LONGEST_LIFE,
        description="How long it works; null: until it is revoked; left out: as long as yours.",
    )
    requests_per_minute: Limit = Field(
        None,
        description="Most requests in a minute; 0 no limit, null: the server decides, left out: "
        "as your key.",
    )
    queued_images: Limit = Field(
        None,
        description="Most images that wait or are computed; 0 no limit, null: the server decides, "
        "left out: as your key.",
    )
    source_bytes: int | None = Field(
        None,
        ge=0,
        le=MOST_BYTES,
        description="Most bytes that your tenant's photographs may have when it sends one; 0 no "
        "limit, null: the server decides, left out: as your key.",
    )
    cache: CacheMode | None = Field(
        None, description="What its requests want of stored images when they do not say."
    )
    approximate: bool | None = Field(
        None, description="Whether its images may begin with a near prompt's latents."
    )


class Rotation(StrictModel):
    """How a key gets another secret."""

    overlap_seconds: int = Field(
        0, ge=0, le=LONGEST_OVERLAP, description="How long the secret before still works."
    )


class KeyView(BaseModel):
    """A key, without what it is."""

    id: UUID
    name: str
    prefix: str = Field(description="Its first characters.")
    scopes: list[Scope]
    requests_per_minute: int | None
    queued_images: int | None
    source_bytes: int | None
    limits_owner: UUID | None = Field(
        description="The key in whose limits it counts too; null: in its own alone."
    )
    cache: CacheMode | None
    approximate: bool | None
    created_at: datetime
    expires_at: datetime | None
    previous_until: datetime | None = Field(
        description="Until when the secret before the last rotation works."
    )
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="A few seconds late.")


class NewKey(KeyView):
    """A key with what it is, this once."""

    key: str = Field(description="Keep it: the server has only its hash.")


class KeyList(BaseModel):
    """All keys of the tenant, oldest first, the revoked ones too."""

    items: list[KeyView]
