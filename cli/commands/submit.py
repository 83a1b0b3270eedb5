"""`packshot submit`: a sheet of one's own, on any server."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from catalogue.sheets.model import Hints, SheetSource
from catalogue.sheets.readers import check_encoding, parse_separator
from cli.client.collection import prepare_folder
from cli.client.http import Client
from cli.client.mappings import recall_of
from cli.client.records import Batch
from cli.client.reports import print_report, require_valid
from cli.client.shared_images import write_shared
from cli.commands.fetch import known_channel
from cli.connection import connect
from cli.console import say, stdout
from cli.errors import UsageError
from cli.options import DEFAULT_OUT, Key, Out, Url, read_pairs
from cli.photographs.options import FIELDS as OF_PHOTOGRAPHS
from cli.photographs.options import (
    Anchor,
    Background,
    Blend,
    Enlarge,
    Fill,
    GroundLine,
    Margin,
    Mode,
    Photos,
    Shadow,
    Strength,
)
from cli.photographs.upload import send_photographs
from cli.submission import ask, fetch, require_all, require_sheet, send
from core.domain.schedulers import SCHEDULERS

Sheet = Annotated[
    Path,
    typer.Argument(
        help="Product sheet: XLSX, ODS, CSV or JSONL, or an export of Shopify, WooCommerce or "
        "Google Merchant."
    ),
]
Detach = Annotated[
    bool, typer.Option("--detach", help="Send the sheet, print the batch's id, and do not wait.")
]
Model = Annotated[
    str | None,
    typer.Option(help="Model for rows that name none. Default: the server's first model."),
]
Preset = Annotated[
    str | None,
    typer.Option(
        help="Steps, guidance and scheduler as measured for the model: draft, standard or best, "
        "where it has them. Options given here override it."
    ),
]
Template = Annotated[
    str | None,
    typer.Option(help='Prompt for rows that have none, for example "a {{color}} {{kind}}".'),
]
Prompt = Annotated[
    str | None,
    typer.Option(
        help='What the images of rows without a prompt show, such as "on a wooden table": '
        "another name of --template."
    ),
]
CleanTitles = Annotated[
    bool | None,
    typer.Option(
        "--clean-titles/--written-titles",
        help="Whether titles lose codes, sizes, prices, words of sales and their brand before "
        "prompts are made of them. Default: they do.",
    ),
]
NegativePrompt = Annotated[str | None, typer.Option(help="What the images should not show.")]
Variants = Annotated[int | None, typer.Option(min=1, help="Images to make of each row.")]
Seed = Annotated[
    str | None,
    typer.Option(
        help="Seed of each row's first image: a number; `derived`, from all that decides the image "
        "(default); or `per_sku`, from the SKU."
    ),
]
Steps = Annotated[
    int | None, typer.Option(min=1, help="Denoising steps per image: more take longer.")
]
GuidanceScale = Annotated[
    float | None,
    typer.Option(min=0, help="How closely images follow their prompts; 1 turns guidance off."),
]
Scheduler = Annotated[
    str | None, typer.Option(help=f"How noise is removed: {', '.join(SCHEDULERS)}.")
]
Width = Annotated[int | None, typer.Option(min=8, help="Width of the images, in pixels.")]
Height = Annotated[int | None, typer.Option(min=8, help="Height of the images, in pixels.")]
Lane = Annotated[
    str | None,
    typer.Option(help="Priority: interactive (first), standard (default) or bulk (last)."),
]
DeadlineSeconds = Annotated[
    int | None,
    typer.Option(min=1, help="Seconds from now; images that are not finished by then fail."),
]
Name = Annotated[str | None, typer.Option(help="A name for the batch.")]
Channel = Annotated[
    list[str] | None,
    typer.Option(
        help="Where the images will be shown, such as walmart: they are also made to its rules. "
        "Repeat for several."
    ),
]
FileName = Annotated[
    str | None,
    typer.Option(help='File names, for example "{{sku}}_{{number}}.{{extension}}".'),
]
Recipe = Annotated[
    str | None,
    typer.Option(help="A recipe, `name` or `name@version`. Options given here override it."),
]
Source = Annotated[
    str | None,
    typer.Option(help=f"Where the sheet comes from: {', '.join(SheetSource)}. Default: detected."),
]
Encoding = Annotated[
    str | None,
    typer.Option(help="Encoding of the file, such as windows-1252. Default: detected."),
]
Separator = Annotated[
    str | None,
    typer.Option(help="What separates columns: comma, semicolon, tab or pipe. Default: detected."),
]
Worksheet = Annotated[
    str | None,
    typer.Option(help="Worksheet of an Excel or OpenDocument file. Default: the first with rows."),
]
Column = Annotated[
    list[str] | None,
    typer.Option(
        help="Which column holds a field: color=Farbe reads the color from the column Farbe. "
        "Repeat for several."
    ),
]
MappingOption = Annotated[
    str | None,
    typer.Option(
        "--map",
        help="auto: take columns for what they surely are by their names and contents; "
        "`packshot map` shows what is proposed. named: take those of --column alone, whatever is "
        "remembered of such a sheet. none: the same, and remember nothing. Default: --column, else "
        "what is remembered.",
    ),
]
SkipBadRows = Annotated[
    bool, typer.Option("--skip-bad-rows", help="Leave out rows with mistakes, and make the others.")
]
Skipped = Annotated[
    Path | None,
    typer.Option(
        help="File for the rows that were left out, with what is wrong with each, to correct and "
        "send again; implies --skip-bad-rows."
    ),
]
CallbackUrl = Annotated[
    str | None,
    typer.Option(
        help="Address to notify when the batch is finished; needs `packshot webhooks secret`."
    ),
]
RequireApproval = Annotated[
    bool | None,
    typer.Option(
        "--require-approval/--no-require-approval",
        help="Give images out only when somebody has approved them: see `packshot review`.",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check the sheet and show its prompts; make no images.")
]
Preview = Annotated[
    int | None, typer.Option(min=0, help="How many prompts a dry run shows. Default: 20.")
]
SharedFile = Annotated[
    Path | None,
    typer.Option(
        help="With --dry-run: a CSV to write, of the rows that will share an image, and what they "
        "differ in."
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="With --dry-run: print the whole report as JSON.")
]

MOST_SHARED = 10_000
"""Images that several rows share, of those that a server lists."""

FIELDS = (
    "model", "preset", "template", "clean_titles", "negative_prompt", "variants", "seed", "steps",
    "guidance_scale", "scheduler", "width", "height", "lane", "deadline_seconds", "name",
    "file_name", "recipe",
    "source", "encoding", "separator", "worksheet", "mapping", "preview", "callback_url",
    "require_approval",
    *OF_PHOTOGRAPHS,
)  # fmt: skip
"""Options that are fields of the request, under the same names."""


def submit(
    sheet: Sheet,
    url: Url = None,
    key: Key = None,
    out: Out = DEFAULT_OUT,
    detach: Detach = False,
    model: Model = None,
    preset: Preset = None,
    template: Template = None,
    prompt: Prompt = None,
    clean_titles: CleanTitles = None,
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
    worksheet: Worksheet = None,
    column: Column = None,
    mapping: MappingOption = None,
    skip_bad_rows: SkipBadRows = False,
    skipped: Skipped = None,
    callback_url: CallbackUrl = None,
    require_approval: RequireApproval = None,
    dry_run: DryRun = False,
    preview: Preview = None,
    shared_file: SharedFile = None,
    as_json: Json = False,
    photos: Photos = None,
    mode: Mode = None,
    background: Background = None,
    shadow: Shadow = None,
    anchor: Anchor = None,
    fill: Fill = None,
    margin: Margin = None,
    ground_line: GroundLine = None,
    enlarge: Enlarge = None,
    strength: Strength = None,
    blend: Blend = None,
) -> None:
    """Make the images of a sheet on any packshot server, and download them.

    Options apply to rows that name none in their columns; the exit code is 3 if some images failed.
    """
    given = read_fields(locals())
    if not dry_run and not detach:
        prepare_folder(out)
    with connect(url, key) as client:
        given |= _photographs(client, sheet, photos, given, dry_run=dry_run)
        if dry_run:
            _report(client, sheet, given, shared_file, as_json=as_json)
            return
        batch = send(client, sheet, given)
        if batch.skipped and skipped:
            client.skipped(batch.id, skipped)
            say(f"Correct {skipped}, and send it as a sheet of its own.")
        if detach:
            _leave(batch)
        else:
            require_all(fetch(client, batch, out, channel=_only(channel)))


def _report(
    client: Client,
    sheet: Path,
    given: Mapping[str, object],
    shared_file: Path | None,
    *,
    as_json: bool,
) -> None:
    """Print what a dry run says of a sheet."""
    report = ask(client, sheet, {**given, **({"shared": MOST_SHARED} if shared_file else {})})
    if shared_file is not None:
        write_shared(report["shared_images"], shared_file)
    if as_json:
        stdout.print(json.dumps(report, indent=2, ensure_ascii=False))
        require_valid(report)
    else:
        print_report(sheet.name, report)


def _leave(batch: Batch) -> None:
    """Print how to get the images of a batch that nobody waits for."""
    stdout.print(batch.id)
    say(f"{batch.total} images. Get them with: packshot fetch {batch.id}")


def _photographs(
    client: Client, sheet: Path, photos: Path | None, given: Mapping[str, object], *, dry_run: bool
) -> Mapping[str, object]:
    """Send photographs, if any; return the field that names them, where the mode uses them."""
    if photos is None:
        return {}
    require_sheet(sheet)
    hints = _hints(given)
    if not hints.columns and given.get("mapping") in (None, "auto"):
        hints = replace(hints, recall=recall_of(client))
    sources = send_photographs(client, sheet, photos, hints, dry_run=dry_run)
    used = given.get("mode", "text") != "text"
    return {"photographs": json.dumps(sources)} if used and sources else {}


def _only(channels: Sequence[str] | None) -> str | None:
    """Return whose files to fetch; of several channels, none: `packshot fetch` brings each."""
    return known_channel(channels[0] if channels and len(channels) == 1 else None)


def _hints(given: Mapping[str, object]) -> Hints:
    """Return what the options say about the file.

    Raises:
        UsageError: There is no such kind of sheet, or no such encoding.
    """
    source, encoding = given.get("source"), _text(given, "encoding")
    if encoding and (reason := check_encoding(encoding)):
        raise UsageError(reason)
    try:
        return Hints(
            source=SheetSource(str(source)) if source else None,
            encoding=encoding,
            separator=parse_separator(str(given.get("separator", ""))),
            worksheet=_text(given, "worksheet"),
            takes_sure=given.get("mapping") == "auto",
            columns=json.loads(str(given.get("columns", "{}"))),
        )
    except ValueError as error:
        raise UsageError(f"--source {source} is none of {', '.join(SheetSource)}.") from error


def _text(given: Mapping[str, object], name: str) -> str | None:
    return str(given[name]) if name in given else None


def read_fields(options: Mapping[str, Any]) -> dict[str, object]:
    """Return the fields of the request that the options give."""
    given = {name: options[name] for name in FIELDS if options[name] is not None}
    if options["prompt"] is not None:
        if "template" in given:
            raise UsageError("--prompt and --template are the same: give one of them.")
        given["template"] = options["prompt"]
    if options["channel"]:
        given["channels"] = ",".join(options["channel"])
    if options["skip_bad_rows"] or options["skipped"]:
        given["on_error"] = "skip"
    if options["column"]:
        given["columns"] = json.dumps(read_pairs(options["column"], option="--column"))
    return given
