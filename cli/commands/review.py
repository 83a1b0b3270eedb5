"""`packshot review`: a batch's images listed, approved, rejected and made again."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.table import Table

from cli.client.http import Client
from cli.commands.redo import (
    GuidanceEnd,
    GuidanceScale,
    GuidanceStart,
    NegativePrompt,
    Preset,
    Prompt,
    Redo,
    RedoRejected,
    Scheduler,
    Seed,
    Steps,
    read_anew,
    redo_images,
)
from cli.connection import connect
from cli.console import say, show, stdout
from cli.errors import UsageError
from cli.options import Key, Url
from core.domain.approval import Approval

PAGE = 500

Approved = Annotated[
    list[UUID] | None, typer.Option(help="A job whose image to approve. Repeat for several.")
]
Rejected = Annotated[
    list[UUID] | None, typer.Option(help="A job whose image to reject. Repeat for several.")
]


def review(
    batch: Annotated[UUID, typer.Argument(help="The batch's id.")],
    approve: Approved = None,
    reject: Rejected = None,
    reason: Annotated[str | None, typer.Option(help="Why, for people.")] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Judge these anew if somebody has judged them already.")
    ] = False,
    all_unflagged: Annotated[
        bool,
        typer.Option(
            "--all-unflagged", help="Approve all that wait and that nobody needs to look at."
        ),
    ] = False,
    redo: Redo = None,
    redo_rejected: RedoRejected = False,
    seed: Seed = None,
    prompt: Prompt = None,
    negative_prompt: NegativePrompt = None,
    preset: Preset = None,
    steps: Steps = None,
    guidance_scale: GuidanceScale = None,
    guidance_start: GuidanceStart = None,
    guidance_end: GuidanceEnd = None,
    scheduler: Scheduler = None,
    status: Annotated[
        Approval, typer.Option("--show", help="Which images to list.")
    ] = Approval.PENDING,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """List a batch's images that wait for a judgement, judge some of them, or make some again.

    The exit code is 1 where somebody else has judged one of them meanwhile, or one cannot be made
    again: that one is left as it is.
    """
    said_anew = read_anew(locals())
    wanted = [(Approval.APPROVED, approve or ()), (Approval.REJECTED, reject or ())]
    if all_unflagged and (approve or reject):
        raise UsageError("Give --all-unflagged, or name jobs, but not both.")
    is_redo, judges = bool(redo or redo_rejected), bool(approve or reject or all_unflagged)
    _check_meant(said_anew, is_redo=is_redo, judges=judges)
    with connect(url, key) as client:
        if is_redo:
            redo_images(
                *(client, batch, redo or (), said_anew), rejected=redo_rejected, as_json=as_json
            )
        elif all_unflagged:
            said = {"state": "approved", "reason": reason, "waiting": {"flagged": False}}
            _report([_judge(client, batch, said)], as_json=as_json)
        elif approve or reject:
            said_of = [
                _judge(client, batch, {"state": state.value, "reason": reason, "jobs": seen})
                for state, jobs in wanted
                for seen in _seen(client, jobs, again=again)
            ]
            _report(said_of, as_json=as_json)
        else:
            _list(list(_images(client, batch, status)), as_json=as_json)


def _check_meant(said_anew: Mapping[str, Any], *, is_redo: bool, judges: bool) -> None:
    """Check that one thing is asked for.

    Raises:
        UsageError: Judgements and images made again are, or neither has what the other one takes.
    """
    if is_redo and judges:
        raise UsageError("Judge images, or make some again, but not both at once.")
    named = [name for name, value in said_anew.items() if value is not None]
    if named and not is_redo:
        option = named[0].replace("_", "-")
        raise UsageError(f"--{option} is of images made again: give --redo JOB or --redo-rejected.")


def _judge(client: Client, batch: UUID, said: Mapping[str, Any]) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = client.ask("POST", f"/v1/batches/{batch}/approvals", body=said)
    return answer


def _seen(
    client: Client, jobs: Sequence[UUID], *, again: bool
) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Yield the jobs in portions, each with the version of its approval that is meant."""
    for start in range(0, len(jobs), PAGE):
        portion = jobs[start : start + PAGE]
        versions = [
            client.ask("GET", f"/v1/jobs/{one}")["approval"]["version"] if again else 0
            for one in portion
        ]
        yield [
            {"id": str(one), "version": version}
            for one, version in zip(portion, versions, strict=True)
        ]


def _images(client: Client, batch: UUID, approval: Approval) -> Iterator[Mapping[str, Any]]:
    path, cursor = f"/v1/batches/{batch}/items?approval={approval.value}&limit={PAGE}", ""
    while True:
        page = client.ask("GET", path + cursor)
        yield from page["items"]
        if page["next"] is None:
            return
        cursor = f"&cursor={page['next']}"


def _list(jobs: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        stdout.print(json.dumps(jobs, indent=2, ensure_ascii=False), soft_wrap=True)
        return
    if not jobs:
        say("There are no such images.")
        return
    table = Table("job", "sku", "variant", "look at", "judged by", "why", box=None)
    for job in jobs:
        quality = job["quality"] or {}
        flags = ", ".join(quality.get("reasons", ())) if quality.get("needs_review") else ""
        said = job["approval"]
        table.add_row(
            *(job["id"], job["sku"], str(job["variant"]), flags),
            *(said["by"] or "", said["reason"] or ""),
        )
    show(table)


def _report(answers: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print what became of judgements.

    Raises:
        typer.Exit: With 1 where some images were left as they are.
    """
    if as_json:
        stdout.print(json.dumps(answers, indent=2, ensure_ascii=False), soft_wrap=True)
    else:
        changed = sum(one["changed"] for one in answers)
        say(f"{changed} {'image is' if changed == 1 else 'images are'} judged.")
        for sentence in _left(answers):
            say(sentence)
    if any(one[name] for one in answers for name in ("conflicts", "without_image", "missing")):
        raise typer.Exit(1)


def _left(answers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what is left as it was, and why."""
    for answer in answers:
        for left in answer["conflicts"]:
            said = left["approval"]
            yield (
                f"{left['id']} is left as it is: {said['by']} has {said['state']} it at "
                f"{said['at'][:16]}. Give --again to judge it anew."
            )
        yield from (f"{job} has no image yet, or none any more." for job in answer["without_image"])
        yield from (f"{job} is no job of this batch." for job in answer["missing"])
