"""Images as channels want them: behind a key by job, and at public addresses."""

from functools import partial
from pathlib import PurePath
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import Depends, Response
from fastapi import Path as PathParameter

from api.dependencies import ServicesNow, SessionNow, Tenant, get_caller
from api.description import IMAGE_FILE
from api.problems import problems
from api.routing.strict_route import Router
from api.routing.transaction_route import TransactionRoute
from api.schemas.renditions import ChannelName, RenditionList
from api.services import Services
from api.turns.downloads import DownloadResponse, Opened
from api.views.conditions import Conditions, ConditionsNow
from api.views.images import etag_of, ready_image
from api.views.jobs import find_job, find_to_give_out
from api.views.renditions import (
    PUBLIC,
    channel_named,
    file_name_of,
    list_renditions,
    public_image,
    ready_rendition,
    rendition_body,
)
from catalogue.channels import Channel
from core.db.models import Image
from core.errors import NotFoundError

PUBLIC_SECONDS = 24 * 3600
"""How long caches may serve a public file without asking: after a deletion it is seen so long."""


ASKING = "public, no-cache, must-revalidate"
"""Of a file that somebody approved: caches ask each time whether it still may be given out."""


class PublicFileRoute(TransactionRoute):
    """Asked by market-places and caches, which add parameters of their own to addresses."""

    takes_any_query = True


router = Router(
    route_class=TransactionRoute,
    prefix="/v1/jobs/{job_id}/renditions",
    tags=["Renditions"],
    dependencies=[Depends(get_caller)],
    responses=problems(404),
)
public_router = Router(route_class=PublicFileRoute, prefix=PUBLIC, tags=["Renditions"])


@router.get("", operation_id="list_renditions")
def get_renditions(
    job_id: UUID, tenant: Tenant, services: ServicesNow, session: SessionNow
) -> RenditionList:
    """List a job's image by channel: what is made, and where it is."""
    job, image, *_ = find_job(session, tenant, job_id)
    return list_renditions(session, job, image, services.settings.public_url)


@router.get(
    "/{channel}",
    operation_id="get_rendition",
    response_class=Response,
    responses={**IMAGE_FILE, **problems(409, 410)},
)
def get_rendition(
    job_id: UUID,
    channel: ChannelName,
    tenant: Tenant,
    services: ServicesNow,
    conditions: ConditionsNow,
) -> Response:
    """Download a job's image as a channel wants it; any channel, whether asked for or not."""
    wanted = channel_named(channel)
    # No session is held while the rendition is made.
    with services.database.session() as session:
        job, image, *_ = find_to_give_out(session, tenant, job_id)
    image = ready_image(job, image)
    name = file_name_of(job, wanted)
    # Private: what is behind a key belongs in no shared cache.
    cached = "private, no-cache" if job.require_approval else "private, max-age=86400"
    return _answer(services, image, wanted, name, cached, conditions)


@public_router.get(
    "/{token}/{channel}/{file_name}",
    operation_id="get_public_file",
    response_class=Response,
    responses={**IMAGE_FILE, **problems(404, 410, 503)},
)
def get_public_file(
    token: Annotated[str, PathParameter(json_schema_extra={"pattern": "^[0-9a-f]{32}$"})],
    channel: ChannelName,
    file_name: str,
    services: ServicesNow,
    conditions: ConditionsNow,
) -> Response:
    """Download a rendition without a key, at the address that its job names."""
    wanted = channel_named(channel)
    if PurePath(file_name).suffix.lower() != f".{wanted.format.extension}":
        raise NotFoundError(f"Files of {wanted.name} end with .{wanted.format.extension}.")
    with services.database.session() as session:
        image, is_free = public_image(session, _token(token), wanted)
    cached = f"public, max-age={PUBLIC_SECONDS}" if is_free else ASKING
    return _answer(services, image, wanted, file_name, cached, conditions)


def _token(text: str) -> UUID:
    try:
        return UUID(hex=text)
    except ValueError as error:
        raise NotFoundError("There is no such file here, or it was deleted.") from error


def _answer(
    services: Services,
    image: Image,
    channel: Channel,
    file_name: str,
    cached: str,
    conditions: Conditions,
) -> Response:
    open_ = partial(_open, services, image, channel, file_name, cached, conditions)
    return DownloadResponse(services.downloads, services.downloads.images, image.tenant, open_)


def _open(
    services: Services,
    image: Image,
    channel: Channel,
    file_name: str,
    cached: str,
    conditions: Conditions,
) -> Opened:
    get = services.renditions.get_soon
    rendition = ready_rendition(services, image, channel, get)
    headers = {"Cache-Control": cached, "ETag": etag_of(rendition)}
    if conditions.met_by(headers["ETag"]):
        return Opened(status=304, headers=headers)
    rendition, body = rendition_body(services, image, channel, get)
    headers |= {
        "ETag": etag_of(rendition),
        "Content-Disposition": _inline(file_name),
        "Content-Length": str(len(body)),
        "Content-Type": rendition.content_type,
        "X-Content-Type-Options": "nosniff",
    }
    return conditions.part_of(Opened(headers=headers, body=body))


def _inline(file_name: str) -> str:
    """Name the file for whoever saves it (RFC 6266)."""
    return f"inline; filename*=UTF-8''{quote(file_name)}"
