"""The body of a detection: an image that is looked at and not kept."""

from typing import Annotated

from fastapi import Depends, Request

from api.auth.callers import check_scope, known_caller, may_be_nobody
from api.dependencies import BEARER, ServicesNow
from api.submission.photograph import received
from core.db.models import ApiKey
from core.domain.scopes import Scope
from core.errors import TooLargeError, UnauthorizedError
from core.pictures.marks import Marks

NOBODY = ""
"""The tenant of those without a key: together they have the share of one."""


async def get_maybe_reader(
    request: Request, services: ServicesNow, _: Annotated[object, Depends(BEARER)]
) -> ApiKey | None:
    """Return the key that was sent, which may read; None: there is none, and none is needed.

    Raises:
        UnauthorizedError: There is none.
        ForbiddenError: It may not read.
    """
    key = known_caller(request.scope)
    if key is not None:
        check_scope(key, Scope.READ)
    elif not may_be_nobody(services, request.scope):
        raise UnauthorizedError
    return key


MaybeReader = Annotated[ApiKey | None, Depends(get_maybe_reader)]


async def read_marks(request: Request, caller: MaybeReader, services: ServicesNow) -> Marks:
    """Receive an image and read its marks, before the route's transaction begins.

    Raises:
        TooManyUploadsError: The tenant sends as many as it may at the same time.
        UnsupportedMediaTypeError: The body is neither a form nor an image.
        InvalidRequestError: The form has no file, or something else beside it.
        TooLargeError: It has too many bytes.
        InvalidImageError: It is no image, or one that cannot be read.
        DetectionsBusyError: Others wait for their turn already.
    """
    tenant = caller.tenant if caller else NOBODY
    with services.uploads.receiving(tenant):
        async with received(request) as (stream, _):
            most = services.settings.max_source_bytes
            if (size := stream.seek(0, 2)) > most:
                raise TooLargeError(
                    f"The image has {size:,} bytes, and {most:,} are the most "
                    "(PACKSHOT_MAX_SOURCE_BYTES). Make it smaller."
                )
            stream.seek(0)
            return await services.detections.read(tenant, stream.read())
