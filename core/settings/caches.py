"""Caches."""

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt

from core.domain.cache_mode import CacheMode
from core.eviction import Policy


class CacheSettings(BaseModel):
    """Caches, and how long what is in them is kept."""

    cache: CacheMode = Field(
        default=CacheMode.USE,
        description="Cache policy of requests that name none: use (stored images and running work "
        "answer), refresh (compute anew and replace) or bypass (compute for this request alone).",
    )
    cache_eviction: Policy = Field(
        default=Policy.LRU,
        description="What leaves a cache first when its budget is full: lru, lfu, fifo, lifo or "
        "random.",
    )
    result_ttl_seconds: int = Field(
        default=30 * 24 * 3600,
        ge=0,
        description="Seconds for which an image answers further requests before it is deleted. 0 "
        "means for ever.",
    )
    result_budget_bytes: int = Field(
        default=20 * 2**30,
        ge=0,
        description="Bytes of stored images above which housekeeping deletes some. 0 means no "
        "limit.",
    )
    result_budget_images: int = Field(
        default=0,
        ge=0,
        description="Number of stored images above which housekeeping deletes some. 0 means no "
        "limit.",
    )
    result_retention_seconds: int = Field(
        default=7 * 24 * 3600,
        ge=0,
        description="Minimum seconds for which an image is kept after a job got it, whatever the "
        "budget.",
    )
    result_memory_bytes: int = Field(
        default=64 * 2**20,
        ge=0,
        description="Memory per API process for images that are requested often, in bytes. 0 "
        "turns this cache off.",
    )
    embedding_cache_bytes: int = Field(
        default=64 * 2**20, ge=0, description="Memory per worker for text embeddings, in bytes."
    )
    approximate: bool = Field(
        default=False,
        description="Whether images of requests that do not say may begin with the latents of a "
        "similar prompt.",
    )
    approximate_budget_bytes: int = Field(
        default=2**30,
        ge=0,
        description="Bytes of latents that are kept for similar prompts. 0 keeps and uses none.",
    )
    approximate_ttl_seconds: PositiveInt = Field(
        default=7 * 24 * 3600, description="Seconds for which latents are kept for similar prompts."
    )
    janitor_seconds: PositiveFloat = Field(
        default=30.0, description="Seconds between two passes of housekeeping over stored images."
    )
    stats_seconds: PositiveFloat = Field(
        default=5.0,
        description="Seconds between two writes of an API process to Postgres of when images and "
        "keys were last used.",
    )
