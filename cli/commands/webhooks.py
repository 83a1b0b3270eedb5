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

app = typer.Typer(
    no_args_is_help=True, help="Webhooks: who is notified of finished images and batches."
)

Endpoint = Annotated[UUID, typer.Argument(help="The endpoint's id, from `packshot webhooks list`.")]


@app.command()
def create(
    address: Annotated[str, typer.Argument(help="Address that messages are sent to: https://…")],
    event: Annotated[
        list[str] | None,
        typer.Option(
            help="Only events of this type, such as batch.completed. Repeat for several. "
            "Default: all."
        ),
    ] = None,
    description: Annotated[str, typer.Option(help="A note for yourself.")] = "",
    url: Url = None,
    key: Key = None,
) -> None:
    """Register an endpoint, and print its secret. It cannot be shown again."""
    body = {"url": address, "description": description, "events": event or None}
    with connect(url, key) as client:
        made = client.ask("POST", "/v1/webhook-endpoints", body=body)
    say(f"Endpoint {made['id']}. Its messages are signed with this secret, shown only now:")
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
    """Send an `endpoint.test` event to an endpoint."""
    with connect(url, key) as client:
        made = client.ask("POST", f"/v1/webhook-endpoints/{endpoint}/test")
    say(f"Delivery {made['id']} is on its way; `packshot webhooks deliveries {endpoint}` shows it.")


@app.command()
def rotate(endpoint: Endpoint, url: Url = None, key: Key = None) -> None:
    """Replace an endpoint's secret, and print the new one. Both sign messages for a while."""
    with connect(url, key) as client:
        made = client.ask("POST", f"/v1/webhook-endpoints/{endpoint}/rotate-secret")
    if made["previous_secret_until"]:
        until = _moment(made["previous_secret_until"])
        say(f"Messages are signed with the old secret too until {until}.")
    stdout.print(made["secret"])


@app.command()
def enable(endpoint: Endpoint, url: Url = None, key: Key = None) -> None:
    """Enable an endpoint that was disabled."""
    with connect(url, key) as client:
        client.ask("PATCH", f"/v1/webhook-endpoints/{endpoint}", body={"disabled": False})
    say(
        "It is notified again from now on. `packshot webhooks replay --failed` sends the messages "
        "that were given up when it was disabled; events since then were not kept for it."
    )


@app.command()
def disable(endpoint: Endpoint, url: Url = None, key: Key = None) -> None:
    """Disable an endpoint: no events are sent to it, and unsent messages are given up."""
    with connect(url, key) as client:
        client.ask("PATCH", f"/v1/webhook-endpoints/{endpoint}", body={"disabled": True})
    say("It is not notified any more.")


@app.command()
def delete(endpoint: Endpoint, url: Url = None, key: Key = None) -> None:
    """Delete an endpoint; unsent messages are given up."""
    with connect(url, key) as client:
        client.ask("DELETE", f"/v1/webhook-endpoints/{endpoint}")
    say("It is deleted.")


@app.command()
def deliveries(
    endpoint: Annotated[
        UUID | None, typer.Argument(help="The endpoint's id. Default: messages to callback URLs.")
    ] = None,
    state: Annotated[
        str | None, typer.Option(help="Only messages that are pending, delivered or failed.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many messages to list.")] = 50,
    url: Url = None,
    key: Key = None,
) -> None:
    """List the messages that were sent, newest first, and what the receiver answered."""
    where = f"/v1/webhook-endpoints/{endpoint}" if endpoint else "/v1/callbacks"
    query: dict[str, str | int] = {"limit": limit} | ({"state": state} if state else {})
    with connect(url, key) as client:
        items = client.ask("GET", f"{where}/deliveries", query=query)["items"]
    table = Table(
        *("id", "type", "created", "state", "attempts", "last answer", "next attempt"), box=None
    )
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
        datetime | None, typer.Option(help="All its messages since this time, in UTC.")
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only messages that could not be delivered.")
    ] = False,
    delivery: Annotated[
        UUID | None, typer.Option(help="One message: its id, from `packshot webhooks deliveries`.")
    ] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Send messages again, under the same ids: one, or all of an endpoint since a time."""
    with connect(url, key) as client:
        if delivery is not None and endpoint is None and since is None:
            made = client.ask("POST", f"/v1/webhook-deliveries/{delivery}/replay")
            say(f"Delivery {made['id']} is on its way.")
        elif delivery is None and endpoint is not None and since is not None:
            body = {"since": f"{since:%Y-%m-%dT%H:%M:%S}Z", "failed_only": failed}
            made = client.ask("POST", f"/v1/webhook-endpoints/{endpoint}/replay", body=body)
            say(f"{made['deliveries']:,} messages are on their way.")
        else:
            raise UsageError("Name what to send again: an endpoint with --since, or --delivery.")


@app.command()
def secret(url: Url = None, key: Key = None) -> None:
    """Create or replace the secret that messages to `callback_url`s are signed with; print it."""
    with connect(url, key) as client:
        stdout.print(client.ask("POST", "/v1/callbacks/secret")["secret"])


def _moment(text: str | None) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S}" if text else ""
