"""S3-compatible storage, from a wheel."""

import signal
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from local.ports import LOOPBACK, remembered_port
from local.processes import Command, Process, clean_environment
from local.secret import remembered_secret
from local.server import Server

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

ROOT = Path(__file__).parents[1]
REGION = "us-east-1"


class S3(Server):
    """An S3 server on loopback whose objects are files in `folder`.

    It is the default of the embedded stack, not production storage: it does not fsync.
    """

    def __init__(
        self, folder: Path, *, log: Path | None = None, keep_open: Sequence[int] = ()
    ) -> None:
        self.folder = folder.resolve()
        self.log = log or self.folder / "s3.log"
        self.keep_open = keep_open
        self.port = 0
        self.access_key_id = ""
        self.secret_access_key = ""

    def launch(self) -> None:
        """Start the server."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.access_key_id = remembered_secret(self.folder / "access-key-id")
        self.secret_access_key = remembered_secret(self.folder / "secret-access-key")
        self.port = remembered_port(self.folder / "port")
        self.process = Process(
            Command(
                name="s3",
                argv=[
                    *(sys.executable, "-m", "uvicorn", "local.s3_server:app"),
                    *("--host", LOOPBACK, "--port", str(self.port)),
                    *("--log-level", "warning", "--no-access-log"),
                    *("--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "3"),
                ],
                environment=clean_environment() | self._settings(),
                log=self.log,
                folder=self.folder,
                stop_signals=(signal.SIGTERM,),
                # Objects are renamed into place, so being killed leaves none half written.
                death_signal=signal.SIGKILL,
                keep_open=self.keep_open,
            )
        )
        self.process.start()

    def _settings(self) -> dict[str, str]:
        return {
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "SERVICES": "s3",
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.folder / "data"),
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "MINISTACK_REGION": REGION,
            "GATEWAY_PORT": str(self.port),
            "LOG_LEVEL": "WARNING",
            "TMPDIR": str(self.folder),
            # It would listen for MQTT, and remove containers from a Docker daemon that it finds.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent",
        }

    @property
    def endpoint_url(self) -> str:
        """Return the address where it listens."""
        return f"http://{LOOPBACK}:{self.port}"

    @cached_property
    def client(self) -> "S3Client":
        """A boto3 client for it."""
        import boto3  # noqa: PLC0415 - takes 0.3 s, which the servers use to start
        from botocore.config import Config  # noqa: PLC0415

        client: S3Client = boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            config=Config(
                connect_timeout=5,
                read_timeout=60,
                retries={"total_max_attempts": 1},
                signature_version="s3v4",
                s3={"addressing_style": "path"},
            ),
        )
        return client

    def stop(self) -> None:
        """Stop it cleanly; its data stay."""
        super().stop()
        if "client" in self.__dict__:
            self.client.close()
            del self.client

    def answers(self) -> bool:
        """List the buckets."""
        return "Buckets" in self.client.list_buckets()

    def ensure_bucket(self, name: str) -> None:
        """Create a bucket unless it is there."""
        found = {bucket["Name"] for bucket in self.client.list_buckets()["Buckets"]}
        if name not in found:
            self.client.create_bucket(Bucket=name)
