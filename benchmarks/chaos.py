"""Nothing is lost and nothing is done twice, whatever is killed.

`python -m benchmarks.chaos [--model free|starter] [--rows N] [--minutes 5] [--seed 0]`

A shop sends sheets while both workers, the API, the housekeeping and the webhook process are killed
with SIGKILL at random. Valkey, Postgres and S3 are killed, stopped (SIGSTOP), slowed down or
filled, one after the other, S3 for half a minute each time. When the last blow was dealt, the stack
has time to finish. Then Postgres, S3 and what the shop's receiver was told are compared with what
was sent. Every count of a fault must be 0; the exit code says so.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bundle import build_microscopic, build_starter
from benchmarks.chaos_customer import Row
from benchmarks.chaos_plan import Terms
from benchmarks.chaos_trial import Found, free_worker, run
from benchmarks.report import show
from benchmarks.requests import mixed
from benchmarks.stack import open_to_all

STEPS, SIZE = 20, 32
SHOWN = 20
"""Faults of each kind that are named."""


def free_rows(number: int) -> list[Row]:
    """Make rows for the model that costs nothing."""
    return [
        {"sku": f"S{place}", "prompt": f"mug {place}", "steps": STEPS, "guidance_scale": 1,
         "width": SIZE, "height": SIZE}
        for place in range(number)
    ]  # fmt: skip


def starter_rows(number: int, seed: int) -> list[Row]:
    """Draw rows for the starter, as a shop's jobs have them."""
    return [
        {"sku": f"S{place}", "prompt": one.prompt, "steps": one.steps, "seed": one.seed,
         "guidance_scale": one.guidance_scale, "scheduler": one.scheduler}
        for place, one in enumerate(mixed(number, width=128, height=128, seed=seed))
    ]  # fmt: skip


def make_sheets(rows: Sequence[Row], number: int) -> dict[str, list[Row]]:
    """Share rows out into so many sheets; each also repeats an image of the sheet before."""
    sheets: dict[str, list[Row]] = {}
    before: Sequence[Row] = ()
    for place in range(number):
        mine = rows[place::number]
        again = [{**row, "sku": f"{row['sku']}-again"} for row in before[-1:]]
        sheets[f"sheet-{place}"] = [*mine, *again]
        before = mine
    return sheets


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=["free", "starter"], default="free")
    parser.add_argument("--rows", type=int, help="1000 of the free model, 100 of the starter")
    parser.add_argument("--sheets", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--every", type=float, default=20.0, help="seconds between two blows")
    parser.add_argument("--outage", type=float, default=30.0, help="seconds that S3 is away")
    parser.add_argument("--patience", type=float, default=600.0, help="seconds to finish in")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        found, rows = _run(open_to_all(temporary), arguments)
    faults = _show(found, rows, arguments)
    if faults:
        raise SystemExit(1)


def _run(folder: Path, arguments: argparse.Namespace) -> tuple[Found, int]:
    terms = Terms(
        seconds=60 * arguments.minutes,
        every=arguments.every,
        outage=arguments.outage,
        absence=5.0,
        seed=arguments.seed,
    )
    worker: list[str] = []
    if arguments.model == "free":
        rows = free_rows(arguments.rows or 1000)
        bundle, worker = build_microscopic(folder), free_worker(len(rows), STEPS, terms.seconds)
    else:
        rows = starter_rows(arguments.rows or 100, arguments.seed)
        bundle = build_starter(folder)
    sheets = make_sheets(rows, arguments.sheets)
    found = run(
        folder / "home", bundle, sheets, terms,
        worker=worker, patience=arguments.patience, say=lambda words: print(words, flush=True),
    )  # fmt: skip
    return found, sum(map(len, sheets.values()))


def _show(found: Found, rows: int, arguments: argparse.Namespace) -> int:
    """Show everything; give the number of faults."""
    faults = found.faults.counts()
    for name in faults:
        for what in getattr(found.faults, name)[:SHOWN]:
            print(f"{name}: {what}")
    struck = Counter(f"{blow.target} {blow.kind.value}" for _, blow in found.struck)
    figures: Mapping[str, Any] = {
        "rows sent": rows,
        **dict(sorted(struck.items())),
        "requests that the shop sent again": found.repeated_requests,
        "events that its receiver was told": found.events,
        "messages with them": found.messages,
        "seconds from the last blow until all was done": round(found.settle_seconds, 1),
        **{name.replace("_", " "): number for name, number in faults.items()},
    }
    result = {
        "model": arguments.model,
        "minutes": arguments.minutes,
        "seed": arguments.seed,
        "rows": rows,
        "struck": struck,
        "repeated_requests": found.repeated_requests,
        "events": found.events,
        "messages": found.messages,
        "settle_seconds": found.settle_seconds,
        **faults,
    }
    show("chaos", [{"figure": name, "value": value} for name, value in figures.items()], result)
    return sum(faults.values())


if __name__ == "__main__":
    main()
