"""`packshot mcp`: a packshot server as tools for agents."""

from typing import Annotated

import typer

from cli.connection import connect
from cli.embedded import find_server
from cli.errors import UsageError
from cli.options import Key, Url
from core.settings import get_settings


def mcp(
    url: Url = None,
    key: Key = None,
    http: Annotated[
        bool,
        typer.Option(
            "--http",
            help="Serve streamable HTTP at /mcp instead of standard input and output; each request "
            "brings its own key.",
        ),
    ] = False,
    host: Annotated[str, typer.Option(help="Address for --http.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port for --http.")] = 8765,
) -> None:
    """Serve tools of the Model Context Protocol: submit, follow, show and review images."""
    # Loads what no other command needs.
    from cli.mcp.packshot_api import PackshotApi  # noqa: PLC0415
    from cli.mcp.server import make_server  # noqa: PLC0415

    if http:
        server = make_server(PackshotApi(_address(url), None))
        server.run("streamable-http", host=host, port=port, stateless_http=True)
        return
    with connect(url, key) as client:
        address, known = client.url, client.key
    make_server(PackshotApi(address, known)).run("stdio")


def _address(url: str | None) -> str:
    if url is not None:
        return url
    here = find_server(get_settings().home)
    if here is None:
        raise UsageError("No packshot runs here: start it with `packshot up`, or give --url.")
    return here.url
