"""The rows: one file per table."""

from core.models.api_key import ApiKey
from core.models.approximate import ApproximateEntry, ApproximateLatents
from core.models.backlog import Backlog
from core.models.batch import Batch
from core.models.cache_stat import CacheHolding, CacheStat
from core.models.generation import NO_KEY, Generation
from core.models.idempotency import IdempotencyRecord
from core.models.image import Image
from core.models.job import Job
from core.models.parameters import ImageParameters
from core.models.recipe import Recipe
from core.models.rendition import Rendition
from core.models.webhook import CallbackSecret, WebhookDelivery, WebhookEndpoint, WebhookEvent
from core.models.worker import Worker

__all__ = [
    "NO_KEY",
    "ApiKey",
    "ApproximateEntry",
    "ApproximateLatents",
    "Backlog",
    "Batch",
    "CacheHolding",
    "CacheStat",
    "CallbackSecret",
    "Generation",
    "IdempotencyRecord",
    "Image",
    "ImageParameters",
    "Job",
    "Recipe",
    "Rendition",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookEvent",
    "Worker",
]
