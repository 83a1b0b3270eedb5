"""The application, wired."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.body_limit import BodyLimitMiddleware
from api.problems import Problem, add_problem_handlers
from api.request_id import RequestIdMiddleware
from api.routes import batches, caches, health, jobs, metrics, recipes, renditions
from api.services import flushing, open_services
from core.settings import Settings

DESCRIPTION = """
Product sheets in, product images out.

Send a sheet to `POST /v1/batches`, or ask for one image with `POST /v1/jobs`. Both answer 202 at
once; read the batch or job until it is finished. Every error is an RFC 9457 problem document.
"""


class Application(FastAPI):
    """FastAPI with problem documents in its OpenAPI."""

    def openapi(self) -> dict[str, Any]:
        """Describe the routes, and the problems that all of them share."""
        if self.openapi_schema is None:
            schema = get_openapi(
                title=self.title,
                version=self.version,
                description=self.description,
                routes=self.routes,
            )
            components = schema.setdefault("components", {}).setdefault("schemas", {})
            components["Problem"] = Problem.model_json_schema()
            self.openapi_schema = schema
        return self.openapi_schema


def create_app(settings: Settings) -> FastAPI:
    """Make the application; it connects to nothing before it is started."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        with open_services(settings) as services, flushing(services):
            yield {"services": services}

    app = Application(
        title="packshot", version=_version(), description=DESCRIPTION, lifespan=lifespan
    )
    app.include_router(batches.router)
    app.include_router(jobs.router)
    app.include_router(renditions.router)
    app.include_router(renditions.public_router)
    app.include_router(recipes.router)
    app.include_router(caches.router)
    app.include_router(health.router)
    app.include_router(metrics.router)
    add_problem_handlers(app)
    app.add_middleware(BodyLimitMiddleware, max_bytes=settings.max_upload_bytes)
    # Added last, so it is the outermost: every answer has an id.
    app.add_middleware(RequestIdMiddleware)
    return app


def _version() -> str:
    try:
        return version("packshot")
    except PackageNotFoundError:
        return "0"
