"""`packshot up`: everything on this machine, until Ctrl-C."""

import contextlib
import time

from cli.console import say, stdout
from cli.embedded import FLOWER_USER, Ports, Server, running_stack
from cli.options import FlowerPort, Port, Workers
from core.settings import get_settings

CHECK_SECONDS = 0.2


def up(port: Port = None, flower_port: FlowerPort = None, workers: Workers = None) -> None:
    """Run everything on this machine, without Docker, until Ctrl-C.

    Postgres, Valkey, S3, the API, workers, housekeeping and Flower. The data stay in PACKSHOT_HOME.
    """
    started = time.monotonic()
    settings = get_settings()
    ports = Ports(api=port, flower=flower_port)
    with running_stack(settings, workers=workers, ports=ports) as (server, check):
        show(server)
        stdout.print(f"Key       {server.key}")
        say(f"Ready after {time.monotonic() - started:.1f} s. Ctrl-C stops it; data stay.")
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                check()
                time.sleep(CHECK_SECONDS)


def show(server: Server) -> None:
    """Print where everything is."""
    stdout.print(f"API       {server.url}")
    stdout.print(f"API docs  {server.docs}")
    stdout.print(
        f"Flower    {server.flower} (user {FLOWER_USER}, password {server.flower_password})"
    )
