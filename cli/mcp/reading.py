"""Tools and resources that change nothing."""

import base64
import binascii
from typing import Annotated, Any, Literal
from uuid import UUID

from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from cli.mcp.packshot_api import Answer, PackshotApi

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
Wait = Annotated[
    int, Field(ge=0, le=60, description="Seconds to wait until it has ended; 0: do not wait.")
]
Cursor = Annotated[str | None, Field(description="`next` of the page before.")]
JobState = Literal["queued", "running", "succeeded", "failed", "canceled"]


def add_following(server: MCPServer[None], api: PackshotApi) -> None:
    """Add the tools that say how things stand."""

    @server.tool(annotations=READS)
    async def list_models(ctx: Context[Any, Any]) -> Answer:
        """List the models with their sizes, presets, schedulers and limits."""
        return await api.read(ctx, "/v1/models")

    @server.tool(annotations=READS)
    async def list_batches(ctx: Context[Any, Any], cursor: Cursor = None) -> Answer:
        """List batches, newest first."""
        return await api.read(ctx, "/v1/batches", limit=20, cursor=cursor)

    @server.tool(annotations=READS)
    async def batch_status(
        ctx: Context[Any, Any], batch_id: UUID, wait_seconds: Wait = 0
    ) -> Answer:
        """Show a batch: its state, its images counted by state, warnings."""
        return await api.read(ctx, f"/v1/batches/{batch_id}", wait=wait_seconds)

    @server.tool(annotations=READS)
    async def job_status(ctx: Context[Any, Any], job_id: UUID, wait_seconds: Wait = 0) -> Answer:
        """Show a job: its state, what its image was made of, and why it failed if it did."""
        return await api.read(ctx, f"/v1/jobs/{job_id}", wait=wait_seconds)

    @server.tool(annotations=READS)
    async def list_images(
        ctx: Context[Any, Any],
        batch_id: UUID,
        state: JobState | None = None,
        cursor: Cursor = None,
    ) -> Answer:
        """List the images of a batch, in the order of its rows."""
        path = f"/v1/batches/{batch_id}/items"
        return await api.read(ctx, path, state=state, limit=50, cursor=cursor)

    @server.tool(annotations=READS)
    async def find_jobs(
        ctx: Context[Any, Any],
        sku: str | None = None,
        state: JobState | None = None,
        cursor: Cursor = None,
    ) -> Answer:
        """List jobs of all batches and single ones, newest first."""
        return await api.read(ctx, "/v1/jobs", sku=sku, state=state, limit=50, cursor=cursor)


def add_looking(server: MCPServer[None], api: PackshotApi) -> None:
    """Add the tools that look at pixels."""

    @server.tool(annotations=READS, structured_output=False)
    async def show_image(
        ctx: Context[Any, Any],
        job_id: UUID,
        channel: Annotated[
            Literal["thumbnail", "web", "original"],
            Field(description="thumbnail is small; original is as it was made."),
        ] = "thumbnail",
    ) -> Image:
        """Show the image of a job."""
        part = "image" if channel == "original" else f"renditions/{channel}"
        answer = await api.ask(ctx, "GET", f"/v1/jobs/{job_id}/{part}")
        kind = answer.headers["content-type"].removeprefix("image/")
        return Image(data=answer.content, format=kind)

    @server.tool(annotations=READS)
    async def detect_marks(
        ctx: Context[Any, Any],
        image_base64: Annotated[str | None, Field(description="An image file.")] = None,
        job_id: Annotated[UUID | None, Field(description="Or a job, whose image it is.")] = None,
    ) -> Answer:
        """Say whether a machine made an image: by metadata, content credentials and watermark."""
        if (image_base64 is None) == (job_id is None):
            raise ToolError("Name `image_base64` or `job_id`.")
        if job_id is not None:
            content = (await api.ask(ctx, "GET", f"/v1/jobs/{job_id}/image")).content
        else:
            content = _decoded(image_base64 or "")
        files = {"file": ("image", content, "application/octet-stream")}
        found: Answer = (await api.ask(ctx, "POST", "/v1/detect", files=files)).json()
        return found


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ToolError("`image_base64` is no base64: encode the file's bytes.") from error


def add_resources(server: MCPServer[None], api: PackshotApi) -> None:
    """Add the resources to a server."""

    @server.resource(
        "packshot://jobs/{job_id}/image", mime_type="image/png", title="A job's image, as made"
    )
    async def job_image(job_id: str, ctx: Context[Any, Any]) -> bytes:
        return await _read(api, ctx, f"/v1/jobs/{_id(job_id)}/image")

    @server.resource(
        "packshot://jobs/{job_id}", mime_type="application/json", title="A job, as it stands"
    )
    async def job(job_id: str, ctx: Context[Any, Any]) -> str:
        return (await _read(api, ctx, f"/v1/jobs/{_id(job_id)}")).decode()

    @server.resource(
        "packshot://batches/{batch_id}", mime_type="application/json", title="A batch, as it stands"
    )
    async def batch(batch_id: str, ctx: Context[Any, Any]) -> str:
        return (await _read(api, ctx, f"/v1/batches/{_id(batch_id)}")).decode()

    @server.resource(
        "packshot://batches/{batch_id}/results.csv", mime_type="text/csv", title="A batch's results"
    )
    async def results(batch_id: str, ctx: Context[Any, Any]) -> str:
        return (await _read(api, ctx, f"/v1/batches/{_id(batch_id)}/results.csv")).decode()


async def _read(api: PackshotApi, context: Context[Any, Any], path: str) -> bytes:
    try:
        return (await api.ask(context, "GET", path)).content
    except ToolError as error:
        raise ResourceError(str(error)) from error


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise ResourceError(f"{text!r} is no id: it is a UUID.") from error
