"""The tables."""

from core.db.models.approximate import ApproximateEntry, ApproximateLatents
from core.db.models.batch import Batch
from core.db.models.certificate import SigningCertificate
from core.db.models.erasure_record import ErasureRecord
from core.db.models.generation import NO_KEY, Generation
from core.db.models.image import Image
from core.db.models.job import Job
from core.db.models.judgement import Judgement
from core.db.models.page_session import PageSession
from core.db.models.parameters import ImageParameters
from core.db.models.publishing import PublishItem, PublishRun, PublishTarget
from core.db.models.queue import Backlog, Worker
from core.db.models.rendition import Rendition
from core.db.models.source import FetchedAddress, Source
from core.db.models.tenant import (
    ApiKey,
    ColumnMapping,
    IdempotencyRecord,
    Recipe,
    TenantGlossary,
)
from core.db.models.webhook import CallbackSecret, WebhookDelivery, WebhookEndpoint, WebhookEvent

__all__ = [
    "NO_KEY",
    "ApiKey",
    "ApproximateEntry",
    "ApproximateLatents",
    "Backlog",
    "Batch",
    "CallbackSecret",
    "ColumnMapping",
    "ErasureRecord",
    "FetchedAddress",
    "Generation",
    "TenantGlossary",
    "IdempotencyRecord",
    "Image",
    "ImageParameters",
    "Job",
    "Judgement",
    "PageSession",
    "PublishItem",
    "PublishRun",
    "PublishTarget",
    "Recipe",
    "Rendition",
    "SigningCertificate",
    "Source",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookEvent",
    "Worker",
]
