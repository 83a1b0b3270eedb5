"""`packshot publish`: a batch's images into a shop, and back out of it."""

import json
import os
import time
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.table import Table

from cli.client.http import Client
from cli.connection import connect
from cli.console import say, show, stdout
from cli.errors import UsageError
from cli.options import Key, Url
from core.domain.stores import CREDENTIALS, SHOWN, Placement, StoreKind

app = typer.Typer(
    no_args_is_help=True, help="Publish: a batch's images into a shop, and back out of it."
)

Run = Annotated[UUID, typer.Argument(help="The run's id, from `packshot publish plan`.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Wait = Annotated[bool, typer.Option(help="Wait until it is done.")]

POLL_SECONDS = 0.5
ACTIVE = ("planning", "running", "undoing")
PAGE = 500


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Your name for the shop.")],
    kind: Annotated[StoreKind, typer.Argument(help="Whose API it speaks.")],
    address: Annotated[
        str,
        typer.Argument(
            help="The shop's address, such as https://example.myshopify.com; of S3 the service's "
            "with bucket and folder."
        ),
    ],
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the credentials of a shop that is there.")
    ] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Add a shop. Its credentials are asked for, or read from variables of the environment.

    Shopify: PACKSHOT_STORE_ACCESS_TOKEN; WooCommerce: PACKSHOT_STORE_USERNAME and
    PACKSHOT_STORE_APPLICATION_PASSWORD; S3: PACKSHOT_STORE_ACCESS_KEY_ID,
    PACKSHOT_STORE_SECRET_ACCESS_KEY and PACKSHOT_STORE_REGION.
    """
    credentials = {one: _credential(one) for one in CREDENTIALS[kind]}
    with connect(url, key) as client:
        if replace:
            client.ask(
                "PUT", f"/v1/publish-targets/{name}/credentials", body={"credentials": credentials}
            )
            say(f"{name} has new credentials.")
            return
        body = {"name": name, "kind": kind.value, "address": address, "credentials": credentials}
        client.ask("POST", "/v1/publish-targets", body=body)
    say(f"{name} is added: `packshot publish plan BATCH {name}` says what would change.")


def _credential(name: str) -> str:
    variable = f"PACKSHOT_STORE_{name.upper()}"
    given = os.environ.get(variable)
    if given:
        return given
    asked: str = typer.prompt(name.replace("_", " "), hide_input=name not in SHOWN, err=True)
    return asked


@app.command()
def targets(json_: Json = False, url: Url = None, key: Key = None) -> None:
    """List the shops."""
    with connect(url, key) as client:
        items = client.ask("GET", "/v1/publish-targets")["items"]
    if json_:
        _print(items)
        return
    table = Table("name", "kind", "address", "added", box=None)
    for one in items:
        table.add_row(one["name"], one["kind"], one["address"], one["created_at"][:16])
    show(table)


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="The shop's name.")], url: Url = None, key: Key = None
) -> None:
    """Delete a shop with its credentials. What was published stays, and cannot be undone."""
    with connect(url, key) as client:
        client.ask("DELETE", f"/v1/publish-targets/{name}")
    say(f"{name} is deleted.")


@app.command()
def plan(
    batch: Annotated[UUID, typer.Argument(help="The batch whose images are published.")],
    target: Annotated[str, typer.Argument(help="The shop's name.")],
    placement: Annotated[
        Placement, typer.Option(help="Where they go among a product's images.")
    ] = Placement.LAST,
    channel: Annotated[
        str | None,
        typer.Option(help="Publish what the images become for this channel of the batch."),
    ] = None,
    json_: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Look up what publishing would change, product by product. Nothing is changed."""
    body = {"batch_id": str(batch), "target": target, "placement": placement.value}
    if channel is not None:
        body["channel"] = channel
    with connect(url, key) as client:
        made = _settled(client, client.ask("POST", "/v1/publishes", body=body))
        items = _items(client, made["id"])
    _show(made, items, json_)
    if made["state"] == "failed":
        raise UsageError(f"No plan could be made: {made['error']}")
    say(f"Nothing was changed. `packshot publish run {made['id']}` does it.")


@app.command()
def run(run: Run, wait: Wait = True, json_: Json = False, url: Url = None, key: Key = None) -> None:
    """Carry a plan out."""
    _carry_out("start", run, wait=wait, json_=json_, url=url, key=key)


@app.command()
def undo(
    run: Run, wait: Wait = True, json_: Json = False, url: Url = None, key: Key = None
) -> None:
    """Give each product back what it had: images, order and texts."""
    _carry_out("undo", run, wait=wait, json_=json_, url=url, key=key)


@app.command()
def status(
    run: Annotated[UUID | None, typer.Argument(help="The run's id. Default: all runs.")] = None,
    json_: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Show where a run stands, product by product; or list the runs."""
    with connect(url, key) as client:
        if run is not None:
            _show(client.ask("GET", f"/v1/publishes/{run}"), _items(client, str(run)), json_)
            return
        runs = client.ask("GET", "/v1/publishes", query={"limit": PAGE})["items"]
    if json_:
        _print(runs)
        return
    table = Table("id", "batch", "shop", "state", "products", "error", box=None)
    for one in runs:
        table.add_row(
            *(one["id"], one["batch_id"], one["target"], one["state"]),
            _counts(one),
            one["error"] or "",
        )
    show(table)


def _carry_out(
    verb: str, run: UUID, *, wait: bool, json_: bool, url: str | None, key: str | None
) -> None:
    with connect(url, key) as client:
        made = client.ask("POST", f"/v1/publishes/{run}/{verb}")
        if wait:
            made = _settled(client, made)
        _show(made, _items(client, made["id"]), json_)


def _settled(client: Client, run: Mapping[str, Any]) -> Mapping[str, Any]:
    """Wait until a run has nothing to do; say once what it waits for."""
    said = None
    while run["state"] in ACTIVE:
        if run["error"] and run["error"] != said:
            said = run["error"]
            say(f"It waits, and tries again by itself: {said}")
        time.sleep(POLL_SECONDS)
        run = client.ask("GET", f"/v1/publishes/{run['id']}")
    return run


def _items(client: Client, run: str) -> list[Mapping[str, Any]]:
    items: list[Mapping[str, Any]] = []
    query: dict[str, str | int] = {"limit": PAGE}
    while True:
        page = client.ask("GET", f"/v1/publishes/{run}/items", query=query)
        items += page["items"]
        if page["next"] is None:
            return items
        query["cursor"] = page["next"]


def _show(run: Mapping[str, Any], items: list[Mapping[str, Any]], json_: bool) -> None:
    if json_:
        _print({**run, "items": items})
        return
    table = Table("product", "SKUs", "has", "gets", "state", "error", box=None)
    for one in items:
        skus = dict.fromkeys(image["sku"] for image in one["images"])
        gets = sum(not image["withheld"] for image in one["images"])
        table.add_row(
            one["title"] or "not in the shop",
            ", ".join(skus),
            str(len(one["before"] or ())),
            f"+{gets}" if one["product"] else "",
            one["state"].replace("_", " "),
            one["error"] or "",
        )
    show(table)
    say(f"Run {run['id']} is {run['state']}: {_counts(run)}.")


def _counts(run: Mapping[str, Any]) -> str:
    counted = run["products"].items()
    found = [f"{number} {name.replace('_', ' ')}" for name, number in counted if number]
    return ", ".join(found) or "no products"


def _print(document: Any) -> None:
    stdout.print_json(json.dumps(document, ensure_ascii=False))
