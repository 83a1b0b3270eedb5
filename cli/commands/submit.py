"""`packshot submit`: a sheet of one's own, on any server."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client.collection import prepare_folder
from cli.client.reports import print_report
from cli.commands.fetch import known_channel
from cli.connection import connect
from cli.console import say, stdout
from cli.options import DEFAULT_OUT, Key, Out, Url, read_pairs
from cli.submission import ask, fetch, require_all, send
from core.domain.schedulers import SCHEDULERS

Sheet = Annotated[
    Path,
    typer.Argument(help="CSV or JSONL; or an export of Shopify, WooCommerce or Google Merchant."),
]
Detach = Annotated[bool, typer.Option("--detach", help="Only send it, and print the batch's id.")]
Model = Annotated[
    str | None,
    typer.Option(help="Model of rows that name none themselves; without it the server's first."),
]
Template = Annotated[
    str | None,
    typer.Option(help='Prompt of rows without one, for example "a {{color}} {{kind}}".'),
]
NegativePrompt = Annotated[str | None, typer.Option(help="What not to draw.")]
Variants = Annotated[int | None, typer.Option(min=1, help="Images per row.")]
Seed = Annotated[
    str | None, typer.Option(help="Of every first variant: a number, derived or per_sku.")
]
Steps = Annotated[int | None, typer.Option(min=1, help="Denoising steps.")]
GuidanceScale = Annotated[float | None, typer.Option(min=0, help="1 is none.")]
Scheduler = Annotated[str | None, typer.Option(help=", ".join(SCHEDULERS))]
Width = Annotated[int | None, typer.Option(min=8, help="Pixels.")]
Height = Annotated[int | None, typer.Option(min=8, help="Pixels.")]
Lane = Annotated[str | None, typer.Option(help="interactive, standard (if not given) or bulk.")]
DeadlineSeconds = Annotated[
    int | None, typer.Option(min=1, help="Images that are later than this fail.")
]
Name = Annotated[str | None, typer.Option(help="What to call the batch.")]
Channel = Annotated[
    list[str] | None,
    typer.Option(help="What the images are for, such as walmart; may be given several times."),
]
FileName = Annotated[
    str | None,
    typer.Option(help='Names of files, for example "{{sku}}_{{number}}.{{extension}}".'),
]
Recipe = Annotated[
    str | None,
    typer.Option(help="A recipe, `name` or `name@version`; options here win over it."),
]
Source = Annotated[
    str | None,
    typer.Option(help="plain, shopify, woocommerce or google; without it that is found out."),
]
Encoding = Annotated[
    str | None, typer.Option(help="The file's, such as windows-1252; else it is found out.")
]
Separator = Annotated[
    str | None, typer.Option(help="comma, semicolon, tab or pipe; else it is found out.")
]
Column = Annotated[
    list[str] | None,
    typer.Option(help="What a column is, as color=Farbe; may be given several times."),
]
CallbackUrl = Annotated[
    str | None,
    typer.Option(help="Where the batch's end is told; see `packshot webhooks secret`."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would become of the sheet.")]
Preview = Annotated[
    int | None, typer.Option(min=0, help="Prompts that a dry run shows; 20 if not given.")
]

FIELDS = (
    "model", "template", "negative_prompt", "variants", "seed", "steps", "guidance_scale",
    "scheduler", "width", "height", "lane", "deadline_seconds", "name", "file_name", "recipe",
    "source", "encoding", "separator", "preview", "callback_url",
)  # fmt: skip
"""Options that are fields of the request, under the same names."""


def submit(
    sheet: Sheet,
    url: Url = None,
    key: Key = None,
    out: Out = DEFAULT_OUT,
    detach: Detach = False,
    model: Model = None,
    template: Template = None,
    negative_prompt: NegativePrompt = None,
    variants: Variants = None,
    seed: Seed = None,
    steps: Steps = None,
    guidance_scale: GuidanceScale = None,
    scheduler: Scheduler = None,
    width: Width = None,
    height: Height = None,
    lane: Lane = None,
    deadline_seconds: DeadlineSeconds = None,
    name: Name = None,
    channel: Channel = None,
    file_name: FileName = None,
    recipe: Recipe = None,
    source: Source = None,
    encoding: Encoding = None,
    separator: Separator = None,
    column: Column = None,
    callback_url: CallbackUrl = None,
    dry_run: DryRun = False,
    preview: Preview = None,
) -> None:
    """Make the images of a sheet on any packshot server, and download them.

    An option applies to every row whose own column does not say otherwise. Exit code 3: some
    images failed.
    """
    given = _fields(locals())
    if dry_run:
        with connect(url, key) as client:
            print_report(sheet.name, ask(client, sheet, given))
        return
    if not detach:
        prepare_folder(out)
    with connect(url, key) as client:
        batch = send(client, sheet, given)
        if detach:
            stdout.print(batch.id)
            say(f"{batch.total} images. Get them with: packshot fetch {batch.id}")
            return
        # Of several channels, none is what is wanted here: packshot fetch brings each.
        only = channel[0] if channel and len(channel) == 1 else None
        require_all(fetch(client, batch, out, channel=known_channel(only)))


def _fields(options: Mapping[str, Any]) -> Mapping[str, object]:
    """Return the fields of the request that the options give."""
    given = {name: options[name] for name in FIELDS if options[name] is not None}
    if options["channel"]:
        given["channels"] = ",".join(options["channel"])
    if options["column"]:
        given["columns"] = json.dumps(read_pairs(options["column"], option="--column"))
    return given
