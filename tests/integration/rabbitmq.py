"""A RabbitMQ of our own, from Debian's package, on loopback."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Self

from kombu import Connection

from local.ports import free_port
from tests.integration.shop import poll

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""The server itself: the one on the PATH wants to be root or rabbitmq, and writes to /var."""

SECONDS = 300


class RabbitMQ:
    """A server whose data are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, dist, self.epmd = free_port(), free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self.epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"packshot-{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(dist),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_CONFIG_FILE": str(folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "none"),
            # Or its schedulers spin on cores that others need.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none +S 1:1",
        }

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [SERVER], env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        poll(self.answers, seconds=SECONDS)

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "server.log").read_text()
        try:
            with Connection(self.url, connect_timeout=1) as connection:
                connection.connect()
                return True
        except OSError:
            return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(SECONDS)

    def forget(self) -> None:
        """Lose everything, as on a lost disk."""
        self.stop()
        shutil.rmtree(self.folder / "data")
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        # Erlang's name server; it outlives those whom it names.
        subprocess.run(
            ["epmd", "-port", str(self.epmd), "-kill"], stdout=subprocess.DEVNULL, check=False
        )
