"""`packshot results`: what became of a batch, as a table."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.connection import connect
from cli.console import stdout
from cli.options import Key, Url


class ResultsFormat(StrEnum):
    """How a batch's results are written."""

    CSV = "csv"
    XLSX = "xlsx"


def results(
    batch: Annotated[str, typer.Argument(help="Id of the batch.")],
    url: Url = None,
    key: Key = None,
    format: Annotated[  # noqa: A002 - the option's name
        ResultsFormat,
        typer.Option(help="csv, or xlsx: a workbook with small pictures of the first 200 images."),
    ] = ResultsFormat.CSV,
    out: Annotated[
        Path | None, typer.Option(help="File to write. Default: results.csv or results.xlsx.")
    ] = None,
) -> None:
    """Download what became of each image of a batch, as it is now."""
    target = out or Path(f"results.{format}")
    unfinished = target.with_name(target.name + ".part")
    with connect(url, key) as client:
        client.results(batch, unfinished, format)
    unfinished.replace(target)
    stdout.print(f"Results        {target}")
