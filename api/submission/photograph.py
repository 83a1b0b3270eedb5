"""The body of a new source: a form with a file, or the file itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated, Any

from fastapi import Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from api.dependencies import ServicesNow, Submitter
from api.submission.upload import MOST_FIELDS
from api.turns.downloads import WAIT_SECONDS
from core.budgets import source_limit
from core.errors import InvalidRequestError, UnsupportedMediaTypeError
from core.sources.file_names import LONGEST_NAME, clean_file_name
from core.sources.store import IN_MEMORY_BYTES, Kept

FileName = Annotated[
    str | None,
    Query(
        max_length=LONGEST_NAME,
        description="What the file is called, where it is the body itself; a form says it.",
    ),
]


async def keep_photograph(
    request: Request, caller: Submitter, services: ServicesNow, file_name: FileName = None
) -> Kept:
    """Receive a photograph and store it, before the route's transaction begins.

    Raises:
        TooManyUploadsError: The tenant sends as many as it may at the same time.
        UnsupportedMediaTypeError: The body is neither a form nor an image.
        InvalidRequestError: The form has no file, or something else beside it.
        TooLargeError: It has too many bytes.
        InvalidImageError: It is no photograph.
        SourcesFullError: The tenant has no room for it.
        DownloadsBusyError: S3 is slow, and others wait for it already.
    """
    with services.uploads.receiving(caller.tenant):
        async with received(request) as (stream, name):
            keep = partial(
                services.sources.keep,
                stream,
                tenant=caller.tenant,
                file_name=clean_file_name(name or file_name or ""),
                tenant_bytes=source_limit(caller, services.settings),
            )
            return await services.uploads.threads.run(caller.tenant, keep, patience=WAIT_SECONDS)


@asynccontextmanager
async def received(request: Request) -> AsyncIterator[tuple[IO[bytes], str]]:
    """Receive the body; return the file and the name that came with it.

    Raises:
        UnsupportedMediaTypeError: The body is neither a form nor an image.
        InvalidRequestError: The form has no file, or something else beside it.
    """
    content_type = request.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        async with request.form(max_files=1, max_fields=MOST_FIELDS) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise InvalidRequestError(
                    "The form has no `file`: send the photograph as a file, for example with "
                    "`curl -F file=@mug.jpg`."
                )
            if unknown := next((name for name in form if name != "file"), None):
                raise InvalidRequestError(
                    f"There is no field {unknown!r}; the form has a `file` and nothing else."
                )
            yield file.file, file.filename or ""
        return
    # What it is is told by its bytes, so any image's type will do.
    if media_type != "application/octet-stream" and not media_type.startswith("image/"):
        raise UnsupportedMediaTypeError(
            f"{content_type or 'A body without Content-Type'} is not taken here: send "
            "`multipart/form-data` with a `file`, or the photograph itself as "
            "`application/octet-stream`."
        )
    with SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as stream:
        async for piece in request.stream():
            # Above that it is written to a disk, which may be slow.
            if stream.tell() + len(piece) > IN_MEMORY_BYTES:
                await run_in_threadpool(stream.write, piece)
            else:
                stream.write(piece)
        yield stream, ""


def document_photograph(file: str = "The photograph.") -> dict[str, Any]:
    """Describe the body for OpenAPI, which cannot see it in the route's signature.

    Args:
        file: What the file is.
    """
    binary = {"type": "string", "format": "binary"}
    form = {
        "type": "object",
        "properties": {"file": binary | {"description": file}},
        "required": ["file"],
        "additionalProperties": False,
    }
    content = {
        "multipart/form-data": {"schema": form},
        "application/octet-stream": {"schema": binary},
    }
    return {"requestBody": {"required": True, "content": content}}
