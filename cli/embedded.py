"""The embedded stack, as `up` and `demo` run it and as other commands find it."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.bundles import build_service, describe_models
from cli.client.http import Client
from cli.console import say, stderr
from cli.errors import UnreachableError
from cli.server_address import is_this_machine
from core.settings import Settings, describe_unknown_settings, describe_unused_bundle
from local.lock import running
from local.ports import free_port, is_free, wanted_port
from local.secret import remembered_secret, write_private
from worker.topology import machine_nodes, placement

if TYPE_CHECKING:
    from local.service import Service

FLOWER_PORT = 5555
FLOWER_USER = "packshot"
TENANT = "default"
OTHER_START_SECONDS = 300.0
"""How long a stack that somebody else is starting may take; the first start builds a model."""


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    """A server of this machine, and the key that it made for us."""

    url: str
    key: str
    flower: str
    flower_password: str

    @property
    def docs(self) -> str:
        """Address of the API's documentation, where requests can be tried."""
        return f"{self.url}/docs"


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The ports that somebody asked for; None: the usual one, or another if that is in use."""

    api: int | None = None
    flower: int | None = None


@contextmanager
def running_stack(
    settings: Settings, *, workers: int | None = None, ports: Ports
) -> Iterator[tuple[RunningServer, Callable[[], None]]]:
    """Run the stack inside the block; yield its server, and what supervises its processes.

    Without a number of workers there is one on each NUMA node: one on most machines.

    Raises:
        AlreadyRunningError: Another one runs on the same data.
        ProcessFailedError: Something did not start.
    """
    # Postgres' and Redis' clients come with these: half a second that `packshot --help` need not
    # wait.
    from local.application import application, reachable  # noqa: PLC0415
    from local.stack import Stack  # noqa: PLC0415

    for sentence in (*describe_unknown_settings(), *describe_unused_bundle(settings)):
        say(sentence)
    home = settings.home.expanduser().resolve()
    home.mkdir(parents=True, exist_ok=True)
    host = settings.api_host
    api_port = _port(settings, ports.api, "api")
    flower_port = _port(settings, ports.flower, "flower")
    password = remembered_secret(home / "flower-password")
    flower_login = f"{FLOWER_USER}:{password}"
    urls = {
        "API": f"http://{reachable(host)}:{api_port}",
        "Flower": f"http://127.0.0.1:{flower_port}",
    }
    places = placement(settings, workers, machine_nodes())
    build = build_service(settings)

    def services(_: Mapping[str, str]) -> Sequence["Service"]:
        if build is not None:
            say("Building the starter model: once, about 20 s on two free cores.")
        return [
            *([build] if build is not None else []),
            *application(
                api_host=host,
                api_port=api_port,
                # As compose.yaml gives it: with a moment beside both.
                api_stop_seconds=settings.drain_seconds + settings.grace_seconds + 2,
                workers=places,
                metrics_port=settings.worker_metrics_port,
                flower_port=flower_port,
                flower_login=flower_login,
            ),
        ]

    variables = {
        **_variables(settings, home),
        "PACKSHOT_FLOWER_URL": settings.flower_url or _flower_link(host, urls["Flower"]),
        "PACKSHOT_FLOWER_LOGIN": flower_login,
    }
    stack = Stack(home, services, settings=variables, urls=urls, say=say)
    with ExitStack() as exits:
        with stderr.status(f"Starting packshot on {settings.home}"):
            exits.enter_context(stack)
            exits.callback(say, "Stopping; Ctrl-C again to hurry.")
            key = _ensure_key(home, urls["API"], stack.environment["PACKSHOT_DATABASE_URL"])
        server = RunningServer(
            url=urls["API"], key=key, flower=urls["Flower"], flower_password=password
        )
        yield server, stack.check


def _flower_link(api_host: str, url: str) -> str:
    """Return Flower's address for pages; empty: browsers on other machines see them, too."""
    return url if is_this_machine(api_host) else ""


def _variables(settings: Settings, home: Path) -> Mapping[str, str]:
    """Return further variables of the services: their models, and a secret for credentials."""
    variables = dict(describe_models(settings))
    if settings.secret_keys is None:
        variables["PACKSHOT_SECRET_KEYS"] = remembered_secret(home / "secret-keys")
    return variables


def find_server(home: Path) -> RunningServer | None:
    """Return the server of the stack that runs on `home`, or None when none runs.

    One that is just starting is waited for.

    Raises:
        UnreachableError: It runs, but does not answer.
    """
    home = home.expanduser().resolve()
    deadline = time.monotonic() + OTHER_START_SECONDS
    while (record := running(home)) is not None:
        urls = record.get("urls", {})
        if "API" in urls and _kept_key(home) is not None:
            with Client(urls["API"], None) as client:
                if client.is_up():
                    return RunningServer(
                        url=urls["API"],
                        key=_kept_key(home) or "",
                        flower=urls["Flower"],
                        flower_password=remembered_secret(home / "flower-password"),
                    )
        if time.monotonic() > deadline:
            raise UnreachableError(
                f"packshot runs on {home} (process {record.get('pid')}), but its API does not "
                f"answer. Its logs are in {home / 'logs'}."
            )
        time.sleep(0.2)
    return None


def _ensure_key(home: Path, url: str, database_url: str) -> str:
    """Return the key kept in the home folder, or make one if there is none that works."""
    key = _kept_key(home)
    if key is not None:
        with Client(url, key) as client:
            if client.accepts_key():
                return key
    # Takes a while to import, and is needed at the first start only.
    from core.db.engine import Database  # noqa: PLC0415
    from core.keys import create_key  # noqa: PLC0415

    database = Database(Settings(database_url=database_url))
    try:
        with database.session() as session:
            _, key = create_key(session, tenant=TENANT, name="embedded stack")
    finally:
        database.close()
    write_private(home / "api-key", key + "\n")
    return key


def _kept_key(home: Path) -> str | None:
    try:
        return (home / "api-key").read_text().strip()
    except FileNotFoundError:
        return None


def _port(settings: Settings, asked: int | None, name: str) -> int:
    """Return the port that was asked for; else the usual one, or a free one if that is in use."""
    if asked is None and name == "api" and "api_port" in settings.model_fields_set:
        asked = settings.api_port
    if running(settings.home.expanduser().resolve()) is not None:
        # The port is in use because of that stack, and Stack says so in better words.
        return asked or FLOWER_PORT
    if asked is not None:
        option = "--port" if name == "api" else "--flower-port"
        return wanted_port(asked, name=name, choose_with=option)
    usual = settings.api_port if name == "api" else FLOWER_PORT
    return usual if is_free(usual) else free_port()
