"""Tools that judge images, and make them again."""

from typing import Annotated, Any, Literal
from uuid import UUID

from mcp.server.mcpserver import Context, MCPServer
from mcp.types import ToolAnnotations
from pydantic import Field

from cli.mcp.packshot_api import Answer, PackshotApi
from cli.mcp.submitting import Key


def add_judging(server: MCPServer[None], api: PackshotApi) -> None:
    """Add them to a server."""

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
            Field(
                description="negative_prompt, steps, guidance_scale, guidance_start, guidance_end, "
                "scheduler."
            ),
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
