"""Pictures on pages: a job's image as it is, or small enough for a grid."""

from functools import partial
from io import BytesIO
from typing import Literal
from uuid import UUID

from fastapi.responses import Response
from PIL import Image as Picture

from api.dependencies import Reader, ServicesNow, SessionNow
from api.pages.rendering import PICTURES
from api.pages.route import page_router
from api.services import Services
from api.turns.downloads import DownloadResponse, Opened
from api.views.conditions import ConditionsNow
from api.views.images import etag_of, open_image, ready_image
from api.views.jobs import find_to_look_at
from core.db.models import Image

SIDE = 320
"""Pixels of a small picture's longer side: a grid's columns on a screen of twice the pixels."""

router = page_router(prefix=PICTURES.rstrip("/"))


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
        small = BytesIO()
        picture.save(small, "WEBP", quality=82, method=2)
    headers = headers | {"Content-Type": "image/webp", "Content-Length": str(small.tell())}
    return Opened(headers=headers, body=small.getvalue())
