"""`packshot submit`: a sheet of one's own, on any server."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from catalogue.sheets.model import Hints, SheetSource
from catalogue.sheets.readers import check_encoding, parse_separator
from cli.client.collection import prepare_folder
from cli.client.http import Client
from cli.client.mappings import recall_of
from cli.client.records import BatchRecord
from cli.client.reports import print_report, require_valid
from cli.client.shared_images import write_shared
from cli.commands.fetch import known_channel
from cli.connection import connect
from cli.console import say, stdout
from cli.errors import UsageError
from cli.options import DEFAULT_OUT, Key, Out, Url, read_pairs
from cli.photographs.look import FileLook
from cli.photographs.options import FIELDS as OF_PHOTOGRAPHS
from cli.photographs.options import (
    Anchor,
    Background,
    Blend,
    CheckPhotographs,
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
from cli.sheet_options import (
    CallbackUrl,
    Channel,
    CleanTitles,
    Column,
    DeadlineSeconds,
    Detach,
    DryRun,
    Encoding,
    FileName,
    GuidanceEnd,
    GuidanceScale,
    GuidanceStart,
    Height,
    Json,
    Lane,
    MappingOption,
    Model,
    Name,
    NegativePrompt,
    Preset,
    Preview,
    Prompt,
    Recipe,
    RequireApproval,
    Scheduler,
    Seed,
    Separator,
    SharedFile,
    Sheet,
    SkipBadRows,
    Skipped,
    Source,
    Steps,
    Template,
    Variants,
    Width,
    Worksheet,
)
from cli.submission import ask, fetch, require_all, require_sheet, send

MOST_CHECKED = 1000
"""Addresses of photographs that a server fetches for a dry run."""
MOST_SHARED = 10_000
"""Images that several rows share, of those that a server lists."""

FIELDS = (
    "model", "preset", "template", "clean_titles", "negative_prompt", "variants", "seed", "steps",
    "guidance_scale", "guidance_start", "guidance_end", "scheduler", "width", "height", "lane",
    "deadline_seconds", "name",
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
    guidance_start: GuidanceStart = None,
    guidance_end: GuidanceEnd = None,
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
    check_photographs: CheckPhotographs = False,
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
    """Make the images of a sheet on any packshot server, and download them; exit 3: some failed."""
    given = read_fields(locals())
    folder = None if dry_run or detach else prepare_folder(out)
    with connect(url, key) as client:
        given |= _photographs(client, sheet, photos, given, dry_run=dry_run)
        if dry_run:
            _report(client, sheet, given, shared_file, as_json=as_json)
        else:
            _make(client, sheet, given, skipped, folder, _only(channel))


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


def _make(
    client: Client,
    sheet: Path,
    given: Mapping[str, object],
    skipped: Path | None,
    out: Path | None,
    channel: str | None,
) -> None:
    """Submit a sheet, write the rows that were left out of it, and fetch its images to a folder."""
    batch = send(client, sheet, given)
    if batch.skipped and skipped:
        client.skipped(batch.id, skipped)
        say(f"Correct {skipped}, and send it as a sheet of its own.")
    if out is None:
        _leave(batch)
    else:
        require_all(fetch(client, batch, out, channel=channel))


def _leave(batch: BatchRecord) -> None:
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
    sources = send_photographs(client, sheet, photos, hints, dry_run=dry_run, look=look_of(given))
    used = given.get("mode", "text") != "text"
    return {"photographs": json.dumps(sources)} if used and sources else {}


def look_of(given: Mapping[str, object]) -> FileLook | None:
    """Return what is to be found out about photographs beside a sheet; None: nothing."""
    if "check_photographs" not in given:
        return None
    names = map(known_channel, str(given.get("channels", "")).split(","))
    return FileLook(channels=[one for one in names if one])


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
    """Return the fields of the request that the options give.

    Raises:
        UsageError: Options contradict each other.
    """
    given = {name: options[name] for name in FIELDS if options[name] is not None}
    if options["prompt"] is not None:
        if "template" in given:
            raise UsageError("--prompt and --template are the same: give one of them.")
        given["template"] = options["prompt"]
    if options["channel"]:
        given["channels"] = ",".join(options["channel"])
    if options["skip_bad_rows"] or options["skipped"]:
        given["on_error"] = "skip"
    if options["check_photographs"]:
        if not options["dry_run"]:
            raise UsageError("--check-photographs belongs to --dry-run: give both, or neither.")
        given["check_photographs"] = MOST_CHECKED
    if options["column"]:
        given["columns"] = json.dumps(read_pairs(options["column"], option="--column"))
    return given
