"""The rows: one file per table."""

from core.db.models.api_key import ApiKey
from core.db.models.approximate import ApproximateEntry, ApproximateLatents
from core.db.models.backlog import Backlog
from core.db.models.batch import Batch
from core.db.models.cache_stat import CacheHolding, CacheStat
from core.db.models.generation import NO_KEY, Generation
from core.db.models.idempotency import IdempotencyRecord
from core.db.models.image import Image
from core.db.models.job import Job
from core.db.models.parameters import ImageParameters
from core.db.models.recipe import Recipe
from core.db.models.rendition import Rendition
from core.db.models.webhook import CallbackSecret, WebhookDelivery, WebhookEndpoint, WebhookEvent
from core.db.models.worker import Worker

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
