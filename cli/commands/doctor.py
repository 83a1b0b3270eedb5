"""`packshot doctor`: what is well, what is not, and what to do."""

import json
from contextlib import closing
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from cli.connection import service_settings
from cli.console import show, stdout
from cli.doctor.finding import Condition, Finding, worth_knowing
from cli.doctor.machine import look_at_machine
from cli.doctor.services import look_at_services
from cli.doctor.work import look_at_work
from cli.errors import UsageError
from core.db.engine import Database
from core.settings import get_settings

STYLES = {Condition.GOOD: "green", Condition.WORTH_KNOWING: "yellow", Condition.BAD: "red"}


def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each finding instead.")
    ] = False,
) -> None:
    """Check services, this machine, models, workers and the queue, and say what to do.

    Exit code 1: something does not work.
    """
    findings = _look()
    if as_json:
        for finding in findings:
            stdout.print(json.dumps(asdict(finding)))
    else:
        table = Table("about", "", "", box=None, show_header=False)
        for finding in findings:
            condition = Text(finding.condition, style=STYLES[finding.condition])
            table.add_row(finding.about, condition, finding.said)
        show(table)
    if any(finding.condition is Condition.BAD for finding in findings):
        raise typer.Exit(1)


def _look() -> list[Finding]:
    try:
        settings = service_settings()
    except UsageError as error:
        return [*look_at_machine(get_settings()), worth_knowing("services", error.detail)]
    machine = look_at_machine(settings)
    with closing(Database(settings)) as database:
        services = look_at_services(settings, database)
        readable = not any(
            one.about in ("postgres", "schema") and one.condition is Condition.BAD
            for one in services
        )
        work = look_at_work(settings, database) if readable else []
    return [*services, *machine, *work]
