"""Tools that change something: images asked for, cancelled and judged."""

from typing import Annotated, Any, Literal
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

    @server.tool(annotations=ToolAnnotations(destructive_hint=False))
    async def review_image(
        ctx: Context[Any, Any],
        job_id: UUID,
        state: Annotated[
            Literal["approved", "rejected", "pending"],
            Field(description="pending takes back what was said."),
        ],
        reason: Annotated[str | None, Field(description="For people.")] = None,
        version: Annotated[
            int, Field(ge=0, description="`approval.version` as you saw it in the job.")
        ] = 0,
    ) -> Answer:
        """Approve or reject an image. Only after a person has looked at it and said so."""
        body = {"state": state, "reason": reason, "version": version}
        return await api.send(ctx, "PUT", f"/v1/jobs/{job_id}/approval", body)

    @server.tool(annotations=ToolAnnotations(destructive_hint=False))
    async def redo_image(
        ctx: Context[Any, Any],
        job_id: UUID,
        prompt: Annotated[str | None, Field(description="Another one; none: as it was.")] = None,
        seed: Annotated[
            int | str | None,
            Field(description="None: another one than those that the row's images had."),
        ] = None,
        preset: Annotated[str | None, Field(description="As `list_models` names them.")] = None,
        fields: Annotated[
            dict[str, Any] | None,
            Field(description="negative_prompt, steps, guidance_scale, scheduler."),
        ] = None,
        idempotency_key: Key = None,
    ) -> Answer:
        """Make another image beside a finished one that nobody approved: a new job of its row."""
        said = {"prompt": prompt, "seed": seed, "preset": preset}
        body = {**(fields or {}), **{name: one for name, one in said.items() if one is not None}}
        path = f"/v1/jobs/{job_id}/redo"
        return await api.send(ctx, "POST", path, body, repeat_key=idempotency_key)

    @server.tool(annotations=ToolAnnotations(destructive_hint=False))
    async def redo_rejected_images(
        ctx: Context[Any, Any],
        batch_id: UUID,
        fields: Annotated[
            dict[str, Any] | None,
            Field(description="seed, prompt, preset and the others of `redo_image`, for all."),
        ] = None,
        idempotency_key: Key = None,
    ) -> Answer:
        """Make all rejected images of a batch again, but those that have another one already."""
        path = f"/v1/batches/{batch_id}/redo"
        return await api.send(ctx, "POST", path, fields or {}, repeat_key=idempotency_key)
