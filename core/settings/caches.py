"""Caches."""

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt

from core.domain.cache_mode import CacheMode
from core.eviction import Policy


class CacheSettings(BaseModel):
    """Caches, and how long what is in them is kept."""

    cache: CacheMode = Field(
        default=CacheMode.USE,
        description="Whether stored images and running work answer requests that do not say: "
        "use, refresh or bypass.",
    )
    cache_eviction: Policy = Field(
        default=Policy.LRU,
        description="What leaves first when a budget is full: lru, lfu, fifo, lifo or random.",
    )
    result_ttl_seconds: int = Field(
        default=30 * 24 * 3600,
        ge=0,
        description="How long an image answers further requests before it is deleted; 0 for ever.",
    )
    result_budget_bytes: int = Field(
        default=20 * 2**30,
        ge=0,
        description="Bytes of stored images above which the janitor deletes some; 0 no limit.",
    )
    result_budget_images: int = Field(
        default=0,
        ge=0,
        description="Stored images above which the janitor deletes some; 0 no limit.",
    )
    result_retention_seconds: int = Field(
        default=7 * 24 * 3600,
        ge=0,
        description="No image is deleted sooner than this after a job got it, whatever the budget.",
    )
    result_memory_bytes: int = Field(
        default=64 * 2**20,
        ge=0,
        description="Memory of an API process for images that are asked for often, in bytes; "
        "0 none.",
    )
    embedding_cache_bytes: int = Field(
        default=64 * 2**20, ge=0, description="Memory for cached text embeddings, in bytes."
    )
    approximate: bool = Field(
        default=False,
        description="Whether requests that do not say agree to begin with a near prompt's latents.",
    )
    approximate_budget_bytes: int = Field(
        default=2**30,
        ge=0,
        description="Bytes of latents kept for near prompts; 0 keeps and uses none.",
    )
    approximate_ttl_seconds: PositiveInt = Field(
        default=7 * 24 * 3600, description="How long latents for near prompts are kept."
    )
    janitor_seconds: PositiveFloat = Field(
        default=30.0, description="Pause between two passes of the janitor over stored images."
    )
    stats_seconds: PositiveFloat = Field(
        default=5.0,
        description="How often an API process writes the last uses of images and keys to Postgres.",
    )
