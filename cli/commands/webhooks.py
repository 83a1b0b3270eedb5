"""`packshot webhooks`: who is told what, and what became of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.table import Table

from cli.connection import connect
from cli.console import say, show, stdout
from cli.errors import UsageError
from cli.options import Key, Url

app = typer.Typer(no_args_is_help=True, help="Who is told what happens.")

Endpoint = Annotated[UUID, typer.Argument(help="The endpoint's id, from `packshot webhooks list`.")]


@app.command()
def create(
    address: Annotated[str, typer.Argument(help="Where messages are sent: https://…")],
    event: Annotated[
        list[str] | None,
        typer.Option(help="Only this type, for example batch.completed; may be repeated."),
    ] = None,
    description: Annotated[str, typer.Option(help="For you.")] = "",
    url: Url = None,
    key: Key = None,
) -> None:
    """Register an endpoint, and print its secret, this once."""
    body = {"url": address, "description": description, "events": event or None}
    with connect(url, key) as client:
        made = client.ask("POST", "/v1/webhook-endpoints", body=body)
    say(f"Endpoint {made['id']}; its messages are signed with this, shown only now:")
    stdout.print(made["secret"])


@app.command("list")
def list_them(url: Url = None, key: Key = None) -> None:
    """List the endpoints."""
    with connect(url, key) as client:
        items = client.ask("GET", "/v1/webhook-endpoints")["items"]
    table = Table("id", "url", "events", "state", "description", box=None)
    for item in items:
        events = ", ".join(item["events"]) if item["events"] else "all"
        table.add_row(item["id"], item["url"], events, _state(item), item["description"])
    show(table)


def _state(item: Mapping[str, Any]) -> str:
    if item["disabled_at"]:
        return f"disabled: {item['disabled_reason']}"
    return f"failing since {_moment(item['failing_since'])}" if item["failing_since"] else "works"


@app.command("test")
def send_test(endpoint: Endpoint, url: Url = None, key: Key = None) -> None:
    """Send an `endpoint.test` event."""
    with connect(url, key) as client:
        made = client.ask("POST", f"/v1/webhook-endpoints/{endpoint}/test")
    say(f"Delivery {made['id']} is on its way; `packshot webhooks deliveries {endpoint}` shows it.")


@app.command()
def rotate(endpoint: Endpoint, url: Url = None, key: Key = None) -> None:
    """Replace an endpoint's secret, and print the new one; the old one signs too for a while."""
    with connect(url, key) as client:
        made = client.ask("POST", f"/v1/webhook-endpoints/{endpoint}/rotate-secret")
    if made["previous_secret_until"]:
        say(f"The one before signs too until {_moment(made['previous_secret_until'])}.")
    stdout.print(made["secret"])


@app.command()
def enable(endpoint: Endpoint, url: Url = None, key: Key = None) -> None:
    """Switch an endpoint on again."""
    with connect(url, key) as client:
        client.ask("PATCH", f"/v1/webhook-endpoints/{endpoint}", body={"disabled": False})
    say(
        "It is told again what happens from now on. `packshot webhooks replay --failed` sends what "
        "was given up when it was disabled; what happened since then was not kept for it."
    )


@app.command()
def disable(endpoint: Endpoint, url: Url = None, key: Key = None) -> None:
    """Disable an endpoint: no event is sent to it, and what is on its way is given up."""
    with connect(url, key) as client:
        client.ask("PATCH", f"/v1/webhook-endpoints/{endpoint}", body={"disabled": True})
    say("It is told nothing any more.")


@app.command()
def delete(endpoint: Endpoint, url: Url = None, key: Key = None) -> None:
    """Delete an endpoint; what is on its way is given up."""
    with connect(url, key) as client:
        client.ask("DELETE", f"/v1/webhook-endpoints/{endpoint}")
    say("It is deleted.")


@app.command()
def deliveries(
    endpoint: Annotated[
        UUID | None, typer.Argument(help="The endpoint's id; without one the callbacks.")
    ] = None,
    state: Annotated[
        str | None, typer.Option(help="Only these: pending, delivered or failed.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Most lines.")] = 50,
    url: Url = None,
    key: Key = None,
) -> None:
    """List what was told, newest first, with what came of it."""
    where = f"/v1/webhook-endpoints/{endpoint}" if endpoint else "/v1/callbacks"
    query: dict[str, str | int] = {"limit": limit} | ({"state": state} if state else {})
    with connect(url, key) as client:
        items = client.ask("GET", f"{where}/deliveries", query=query)["items"]
    table = Table("id", "type", "created", "state", "attempts", "last answer", "next", box=None)
    for item in items:
        last = item["attempts"][-1] if item["attempts"] else {"status": None, "error": ""}
        table.add_row(
            item["id"],
            item["type"],
            _moment(item["created_at"]),
            item["state"],
            str(len(item["attempts"])),
            last["error"] or str(last["status"]),
            _moment(item["next_attempt_at"]),
        )
    show(table)


@app.command()
def replay(
    endpoint: Annotated[UUID | None, typer.Argument(help="The endpoint's id.")] = None,
    since: Annotated[
        datetime | None, typer.Option(help="All its events since this moment, in UTC.")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only what was not delivered.")] = False,
    delivery: Annotated[UUID | None, typer.Option(help="Only this delivery.")] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Send messages once more, under their old ids: one, or an endpoint's since a moment."""
    with connect(url, key) as client:
        if delivery is not None and endpoint is None and since is None:
            made = client.ask("POST", f"/v1/webhook-deliveries/{delivery}/replay")
            say(f"Delivery {made['id']} is on its way.")
        elif delivery is None and endpoint is not None and since is not None:
            body = {"since": f"{since:%Y-%m-%dT%H:%M:%S}Z", "failed_only": failed}
            made = client.ask("POST", f"/v1/webhook-endpoints/{endpoint}/replay", body=body)
            say(f"{made['deliveries']:,} messages are on their way.")
        else:
            raise UsageError("Say what to send again: an endpoint with --since, or --delivery.")


@app.command()
def secret(url: Url = None, key: Key = None) -> None:
    """Make the secret that `callback_url`s are signed with, or replace it, and print it."""
    with connect(url, key) as client:
        stdout.print(client.ask("POST", "/v1/callbacks/secret")["secret"])


def _moment(text: str | None) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S}" if text else ""
