"""What `packshot review` makes again: images beside those that nobody approved."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import typer

from cli.client.http import Client
from cli.console import say, stdout
from cli.errors import RefusedError, UsageError

Redo = Annotated[
    list[UUID] | None,
    typer.Option(help="A job whose image to make again. Repeat for several."),
]
RedoRejected = Annotated[
    bool,
    typer.Option("--redo-rejected", help="Make all rejected images of the batch again."),
]
Seed = Annotated[
    str | None,
    typer.Option(help="Of what is made again. Default: another one than all that the row had."),
]
Prompt = Annotated[
    str | None, typer.Option(help="What it shows instead. Default: as it was; so are the others.")
]
NegativePrompt = Annotated[str | None, typer.Option(help="What not to draw.")]
Preset = Annotated[
    str | None, typer.Option(help="Steps, guidance scale and scheduler as measured for the model.")
]
Steps = Annotated[int | None, typer.Option(min=1, help="Denoising steps.")]
GuidanceScale = Annotated[
    float | None, typer.Option(min=0, help="Classifier-free guidance; 1 or less switches it off.")
]
GuidanceStart = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Share of the schedule before which guidance is off."),
]
GuidanceEnd = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Share of the schedule from which guidance is off again."),
]
Scheduler = Annotated[str | None, typer.Option(help="Name of the sampling method.")]

_ANEW = (
    "seed", "prompt", "negative_prompt", "preset", "steps", "guidance_scale", "guidance_start",
    "guidance_end", "scheduler",
)  # fmt: skip


def read_anew(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return, of a command's options, what images made again are to have; None: as it was."""
    return {name: options[name] for name in _ANEW}


def redo_images(
    client: Client,
    batch: UUID,
    jobs: Sequence[UUID],
    said: Mapping[str, Any],
    *,
    rejected: bool,
    as_json: bool,
) -> None:
    """Make images of a batch again, and print what became of that.

    Args:
        client: The server's.
        batch: Theirs.
        jobs: Whose images.
        said: What is different in them; what is None stays as it was.
        rejected: Whether all that are rejected are meant, instead of `jobs`.
        as_json: Whether programs read it.

    Raises:
        UsageError: Both are named.
        RefusedError: None of the rejected ones can be made so.
        typer.Exit: With 1 where the image of some job is not made again.
    """
    if rejected and jobs:
        raise UsageError("Give --redo-rejected, or name jobs with --redo, but not both.")
    body = {name: value for name, value in said.items() if value is not None}
    if rejected:
        before = client.ask("GET", f"/v1/batches/{batch}")
        after = client.ask("POST", f"/v1/batches/{batch}/redo", body=body)
        _print(after, int(after["total"]) - int(before["total"]), as_json=as_json)
        return
    answers = [_redo(client, batch, job, body) for job in jobs]
    left = [one for one in answers if "problem" in one]
    _print(answers, len(answers) - len(left), as_json=as_json)
    for one in left:
        say(f"{one['id']}: {one['problem']}")
    if left:
        raise typer.Exit(1)


def _redo(client: Client, batch: UUID, job: UUID, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the new job, or the one that was named with its `problem`."""
    try:
        if client.ask("GET", f"/v1/jobs/{job}")["batch_id"] != str(batch):
            return {"id": str(job), "problem": "It is no job of this batch."}
        made: Mapping[str, Any] = client.ask("POST", f"/v1/jobs/{job}/redo", body=body)
    except RefusedError as error:
        if error.answer not in (404, 409):
            raise
        return {"id": str(job), "problem": error.detail}
    return made


def _print(answer: object, number: int, *, as_json: bool) -> None:
    if as_json:
        stdout.print(json.dumps(answer, indent=2, ensure_ascii=False), soft_wrap=True)
    else:
        say(f"{number} {'image is' if number == 1 else 'images are'} made again.")
