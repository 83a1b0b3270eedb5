"""Tools that ask for images, and cancel them."""

from typing import Annotated, Any
from uuid import UUID

from mcp.server.mcpserver import Context, MCPServer
from mcp.types import ToolAnnotations
from pydantic import Field

from cli.mcp.packshot_api import Answer, PackshotApi

Rows = Annotated[
    list[dict[str, Any]],
    Field(
        description="One object per product: `sku`, and `prompt` or the columns of a template; "
        "further columns as in a sheet (title, color, model, seed, image …)."
    ),
]
Fields = Annotated[
    dict[str, Any] | None,
    Field(
        description="What applies to every row: template, variants, mode, preset, steps, channels, "
        "recipe, lane and the others of POST /v1/batches."
    ),
]
Key = Annotated[
    str | None,
    Field(
        description="A new UUID: the same call with the same one is done once. Send it again when "
        "you do not know whether a call arrived."
    ),
]


def add_submitting(server: MCPServer[None], api: PackshotApi) -> None:
    """Add them to a server."""

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    async def check_products(ctx: Context[Any, Any], rows: Rows, fields: Fields = None) -> Answer:
        """Check rows of products: prompts, titles, errors and costs. Nothing is queued."""
        body = {**(fields or {}), "rows": rows, "dry_run": True}
        return await api.send(ctx, "POST", "/v1/batches", body)

    @server.tool(annotations=ToolAnnotations(destructive_hint=False))
    async def submit_products(
        ctx: Context[Any, Any], rows: Rows, fields: Fields = None, idempotency_key: Key = None
    ) -> Answer:
        """Queue images of products as one batch. Every bad row is named, or all are queued."""
        body = {**(fields or {}), "rows": rows}
        return await api.send(ctx, "POST", "/v1/batches", body, repeat_key=idempotency_key)

    @server.tool(annotations=ToolAnnotations(destructive_hint=False))
    async def submit_image(
        ctx: Context[Any, Any],
        prompt: Annotated[str | None, Field(description="What it shows; in English.")] = None,
        fields: Annotated[
            dict[str, Any] | None,
            Field(
                description="mode, source, preset, steps, width, height, seed, channels and the "
                "others of POST /v1/jobs."
            ),
        ] = None,
        idempotency_key: Key = None,
    ) -> Answer:
        """Queue one image; when the same one is in store, it is there at once."""
        body = {**(fields or {}), "prompt": prompt}
        return await api.send(ctx, "POST", "/v1/jobs", body, repeat_key=idempotency_key)

    @server.tool(annotations=ToolAnnotations(destructive_hint=True, idempotent_hint=True))
    async def cancel_batch(ctx: Context[Any, Any], batch_id: UUID) -> Answer:
        """Cancel what is not finished of a batch; finished images stay."""
        return await api.send(ctx, "POST", f"/v1/batches/{batch_id}/cancel", {})
