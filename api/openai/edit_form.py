"""The form of an edit: its fields are read, and its photograph and mask stored."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import IO
from uuid import UUID

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from PIL import Image, ImageChops
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from api.dependencies import ServicesNow, Submitter
from api.openai.errors import refuse
from api.openai.schemas import EditRequest
from api.openai.translation import check_together, mode_of
from api.services import Services
from api.submission.upload import MOST_FIELDS
from api.turns.downloads import WAIT_SECONDS
from core.budgets import source_limit
from core.db.models import ApiKey
from core.domain.photograph_spec import ImageMode
from core.errors import UnsupportedMediaTypeError
from core.pictures.headers import READ, explained
from core.pictures.opening import open_alpha
from core.sources.file_names import clean_file_name

MOST_FILES = 17
"""What OpenAI takes: sixteen images and a mask. More than one image is refused with its reason."""
IMAGES = ("image", "image[]")
"""Names of the photograph: clients that send a list write the second one."""


@dataclass(frozen=True, kw_only=True)
class KeptEdit:
    """An edit whose files are in store."""

    request: EditRequest
    source: UUID
    mask: UUID | None
    """Light where the mode wants it."""


async def keep_edit(request: Request, caller: Submitter, services: ServicesNow) -> KeptEdit:
    """Receive an edit and store its files, before the route's transaction begins.

    Raises:
        TooManyUploadsError: The tenant sends as many photographs as it may.
        UnsupportedMediaTypeError: The body is no form.
        InvalidRequestError: Fields or files are missing, too many, or do not go together.
        RequestValidationError: A field does not fit.
        TooLargeError: A file has too many bytes.
        InvalidImageError: A file is no photograph.
        SourcesFullError: The tenant has no room for it.
        DownloadsBusyError: S3 is slow, and others wait for it already.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise UnsupportedMediaTypeError(
            f"{content_type or 'A body without Content-Type'} is not taken here: send "
            "`multipart/form-data` with an `image`."
        )
    with services.uploads.receiving(caller.tenant):
        async with request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS) as form:
            fields = _fields(form)
            image, mask = _files(form)
            check_together(fields, mode_of(fields))
            drawn = None
            if mask is not None:
                await run_in_threadpool(_check_size, image.file, mask.file)
                read = partial(_read_mask, mask.file, mode_of(fields))
                # One at a time: the largest take half a gigabyte while they are read.
                drawn = await services.uploads.masks.run(caller.tenant, read, patience=WAIT_SECONDS)
            keep = partial(_keep, services, caller, image.file, image.filename or "")
            source = await services.uploads.threads.run(caller.tenant, keep, patience=WAIT_SECONDS)
            if drawn is None:
                return KeptEdit(request=fields, source=source, mask=None)
            keep = partial(_keep, services, caller, drawn, "mask.png")
            kept = await services.uploads.threads.run(caller.tenant, keep, patience=WAIT_SECONDS)
            return KeptEdit(request=fields, source=source, mask=kept)


def _fields(form: FormData) -> EditRequest:
    given: dict[str, str] = {}
    for name, value in form.multi_items():
        if not isinstance(value, str):
            continue
        if name in given:
            raise refuse(name, "It is in the form twice. Send it once.")
        given[name] = value
    if misplaced := next((name for name in (*IMAGES, "mask") if name in given), None):
        raise refuse(misplaced, "Send it as a file of the form.")
    try:
        # A form sends a field that was left empty as an empty text.
        return EditRequest.model_validate({name: one for name, one in given.items() if one != ""})
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def _files(form: FormData) -> tuple[UploadFile, UploadFile | None]:
    files = [(name, one) for name, one in form.multi_items() if isinstance(one, UploadFile)]
    images = _named(files, IMAGES)
    masks = _named(files, ("mask",))
    unknown = [name for name, _ in files if name not in (*IMAGES, "mask")]
    if unknown:
        raise refuse(unknown[0], "There is no such file; an edit has an `image` and a `mask`.")
    if not images:
        raise refuse("image", "Send the photograph as a file of the form.")
    if len(images) > 1:
        raise refuse("image", f"An edit is made of one photograph, not {len(images)}. Send one.")
    if len(masks) > 1:
        raise refuse("mask", "A photograph has one mask. Send one.")
    return images[0], masks[0] if masks else None


def _named(files: Iterable[tuple[str, UploadFile]], names: tuple[str, ...]) -> list[UploadFile]:
    return [one for name, one in files if name in names]


def _check_size(image: IO[bytes], mask: IO[bytes]) -> None:
    """Compare a mask's size with its photograph's, by their headers."""
    wanted, found = _shown_size(image), _shown_size(mask)
    if wanted != found:
        raise refuse(
            "mask",
            f"It has {found[0]} × {found[1]} pixels, and the image {wanted[0]} × {wanted[1]}. "
            "Send a mask of the image's size.",
        )


def _shown_size(file: IO[bytes]) -> tuple[int, int]:
    """Return width and height, in pixels, as the camera was held."""
    file.seek(0)
    with explained(), Image.open(file, formats=READ) as opened:
        turned = opened.getexif().get(_ORIENTATION, 1) in _LYING
        return (opened.height, opened.width) if turned else opened.size


_ORIENTATION = 0x0112
_LYING = range(5, 9)
"""Values of Exif's orientation that change width and height for each other."""


def _read_mask(file: IO[bytes], mode: ImageMode) -> IO[bytes]:
    """Return a mask as packshot has it, light where it shows what the mode asks for.

    OpenAI's is transparent where the image may be drawn anew: of an edit that is what is asked
    for, of a cut-out or a scene it is what is not the product.
    """
    file.seek(0)
    alpha = open_alpha(file.read())
    if alpha is None:
        raise refuse(
            "mask", "It has no transparency. Make it transparent where the image may be drawn anew."
        )
    drawn = BytesIO()
    shown = ImageChops.invert(alpha) if mode is ImageMode.EDIT else alpha
    shown.save(drawn, "PNG")
    return drawn


def _keep(services: Services, caller: ApiKey, stream: IO[bytes], name: str) -> UUID:
    kept = services.sources.keep(
        stream,
        tenant=caller.tenant,
        file_name=clean_file_name(name),
        tenant_bytes=source_limit(caller, services.settings),
    )
    return kept.source_id
