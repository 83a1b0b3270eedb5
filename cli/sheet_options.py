"""Options that say what a sheet is and what its images shall be."""

from pathlib import Path
from typing import Annotated

import typer

from catalogue.sheets.model import SheetSource
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
GuidanceStart = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Share of the schedule before which guidance is off."),
]
GuidanceEnd = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Share of the schedule from which guidance is off again."),
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
