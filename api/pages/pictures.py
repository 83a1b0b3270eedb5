"""Pictures on pages: a job's image as it is, or small enough for a grid, and its photograph."""

import threading
from functools import partial
from io import BytesIO
from typing import Literal
from uuid import UUID

from fastapi.responses import Response
from PIL import Image as Picture

from api.dependencies import Reader, ServicesNow, SessionNow, Tenant
from api.pages.rendering import PICTURES
from api.pages.route import page_router
from api.services import Services
from api.turns.downloads import DownloadResponse, Opened
from api.views.conditions import ConditionsNow
from api.views.images import etag_of, open_image, ready_image
from api.views.jobs import find_job, find_to_look_at
from api.views.sources import open_source
from core.db.models import Image, Source
from core.errors import NotFoundError
from core.sources.addresses import find_photograph

SIDE = 320
"""Pixels of a small picture's longer side: a grid's columns on a screen of twice the pixels."""

_ONE_PHOTOGRAPH = threading.Lock()
"""Held while one is decoded, which may take hundreds of megabytes."""

router = page_router(prefix=PICTURES.rstrip("/"))


@router.get("/{job_id}/photograph")
def get_photograph(
    job_id: UUID,
    tenant: Tenant,
    services: ServicesNow,
    session: SessionNow,
    conditions: ConditionsNow,
) -> Response:
    """Send the photograph that a job's image was made of, small, as WebP."""
    photograph = find_job(session, tenant, job_id)[0].spec.photograph
    source = find_photograph(session, tenant, photograph.source) if photograph else None
    if source is None:
        raise NotFoundError("The image was made of no photograph, or that was deleted.")
    headers = {"ETag": f'"{source.digest}-{SIDE}"', "Cache-Control": "private, max-age=3600"}
    if conditions.met_by(headers["ETag"]):
        return Response(status_code=304, headers=headers)
    open_ = partial(_open_small_photograph, services, source, headers)
    return DownloadResponse(services.downloads, services.downloads.images, tenant, open_)


def _open_small_photograph(services: Services, source: Source, headers: dict[str, str]) -> Opened:
    from core.pictures.photograph import read_small  # noqa: PLC0415 - brings NumPy

    opened = open_source(services, source)
    body = opened.body or b"".join(opened.chunks)
    with _ONE_PHOTOGRAPH:
        return _as_webp(read_small(body, SIDE), headers)


@router.get("/{job_id}/{size}")
def get_picture(
    job_id: UUID,
    size: Literal["whole", "small"],
    caller: Reader,
    services: ServicesNow,
    session: SessionNow,
    conditions: ConditionsNow,
) -> Response:
    """Send a job's image: `whole`, or `small` as WebP."""
    job, image, *_ = find_to_look_at(session, caller, job_id)
    image = ready_image(job, image)
    headers = {
        "ETag": etag_of(image) if size == "whole" else f'"{image.digest}-{SIDE}"',
        # Not for good: what is deleted is soon gone from the browser, too.
        "Cache-Control": "private, no-cache" if job.require_approval else "private, max-age=3600",
    }
    if conditions.met_by(headers["ETag"]):
        return Response(status_code=304, headers=headers)
    open_ = partial(open_image if size == "whole" else _open_small, services, image, headers)
    return DownloadResponse(services.downloads, services.downloads.images, caller.tenant, open_)


def _open_small(services: Services, image: Image, headers: dict[str, str]) -> Opened:
    opened = open_image(services, image, {})
    body = opened.body or b"".join(opened.chunks)
    with Picture.open(BytesIO(body)) as picture:
        picture.thumbnail((SIDE, SIDE))
        return _as_webp(picture, headers)


def _as_webp(picture: Picture.Image, headers: dict[str, str]) -> Opened:
    small = BytesIO()
    picture.save(small, "WEBP", quality=82, method=2)
    headers = headers | {"Content-Type": "image/webp", "Content-Length": str(small.tell())}
    return Opened(headers=headers, body=small.getvalue())
