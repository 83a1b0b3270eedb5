"""The application, wired."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from api.description import DESCRIPTION, Application
from api.middleware.authentication import AuthenticationMiddleware
from api.middleware.body_limit import BodyLimitMiddleware
from api.middleware.client_left import ClientLeftMiddleware
from api.middleware.grace import GraceMiddleware
from api.middleware.metrics import RequestMetricsMiddleware
from api.middleware.pages import PagesMiddleware
from api.middleware.request_id import RequestIdMiddleware
from api.middleware.sheet_proxy import SheetProxyMiddleware
from api.pages import site
from api.problems import add_problem_handlers
from api.routes import (
    approvals,
    batch_downloads,
    batches,
    bulk_jobs,
    caches,
    detections,
    docs,
    erasures,
    glossary,
    health,
    jobs,
    keys,
    mappings,
    metrics,
    models,
    openai,
    publishing,
    recipes,
    redo,
    renditions,
    sources,
    usage,
    webhooks,
)
from api.services import flushing, open_services
from api.sheets.pool import START_SECONDS, SheetPool, SheetPoolMiddleware
from core import __version__
from core.settings import Settings
from core.startup import freeze_gc

ROUTERS = (
    batches.router,
    batch_downloads.router,
    jobs.router,
    bulk_jobs.router,
    approvals.router,
    redo.router,
    renditions.router,
    renditions.public_router,
    sources.router,
    erasures.router,
    detections.router,
    models.router,
    recipes.router,
    publishing.router,
    glossary.router,
    mappings.router,
    caches.router,
    keys.router,
    usage.router,
    webhooks.router,
    openai.router,
    openai.images_router,
    docs.router,
    health.router,
    metrics.router,
)
"""In the order of the API's description."""


def create_app(
    settings: Settings,
    *,
    counts: bool = True,
    freeze: bool = False,
    sheets: SheetPool | None = None,
) -> FastAPI:
    """Make the application; it connects to nothing before it is started.

    Args:
        settings: Of all that it connects to.
        counts: Whether it counts requests, for Prometheus and for the limits of keys; whoever
            passes them on to it has done so.
        freeze: Whether the process does nothing else: then the garbage collector leaves alone what
            is in memory at its start.
        sheets: Processes that read sheets; None: whoever is at `sheets_url` does, or the
            application itself, without their bounds.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        with open_services(settings) as services, flushing(services):
            if freeze:
                freeze_gc()
            if sheets is not None:
                sheets.start()
            yield {"services": services}
            if sheets is not None:
                sheets.close()

    app = Application(
        title="packshot",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        # Ours are in `api.routes.docs`: FastAPI's pages load scripts from elsewhere.
        openapi_url=None,
    )
    for router in ROUTERS:
        app.include_router(router)
    for router in site.ROUTERS if settings.pages else ():
        app.include_router(router)
    add_problem_handlers(app)
    _add_middleware(app, settings, counts=counts, sheets=sheets)
    return app


def _add_middleware(
    app: FastAPI, settings: Settings, *, counts: bool, sheets: SheetPool | None
) -> None:
    """Add what requests pass before their route; what is added last is passed first."""
    if sheets is not None:
        app.add_middleware(SheetPoolMiddleware, pool=sheets)
    if settings.sheets_url:
        app.add_middleware(
            SheetProxyMiddleware,
            url=settings.sheets_url,
            connect_timeout=settings.connect_timeout,
            # It waits so long for its turn at most, is read for so long, and a process may start.
            answer_timeout=2 * settings.sheet_seconds + START_SECONDS,
        )
    # Outside of the proxy, which would read a sheet to pass it on.
    app.add_middleware(AuthenticationMiddleware, counts=counts)
    if settings.pages:
        app.add_middleware(PagesMiddleware, counts=counts)
    app.add_middleware(
        BodyLimitMiddleware,
        max_bytes=settings.max_upload_bytes,
        max_source_bytes=settings.max_source_bytes,
        max_album_bytes=settings.max_album_bytes,
    )
    app.add_middleware(GraceMiddleware)
    if counts:
        app.add_middleware(RequestMetricsMiddleware)
    app.add_middleware(ClientLeftMiddleware)
    # The outermost: every answer has an id.
    app.add_middleware(RequestIdMiddleware)
