"""Postgres, Valkey and S3 together, and the settings that lead packshot to them."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from local.postgres import Postgres
from local.s3 import REGION, S3
from local.server import Server, start_all
from local.valkey import Valkey

DATABASE = "packshot"
BUCKET = "packshot"


class Infrastructure:
    """The three services on the data in `home`; also a context manager."""

    def __init__(self, home: Path, *, durable: bool = True, keep_open: Sequence[int] = ()) -> None:
        self.home = home.resolve()
        logs = self.home / "logs"
        self.valkey = Valkey(self.home / "valkey", log=logs / "valkey.log", keep_open=keep_open)
        self.s3 = S3(self.home / "s3", log=logs / "s3.log", keep_open=keep_open)
        self.postgres = Postgres(
            self.home / "postgres",
            log=logs / "postgres.log",
            durable=durable,
            keep_open=keep_open,
        )

    @property
    def servers(self) -> tuple[Server, ...]:
        """Return all in the order of their start: Postgres last, as it may have to run initdb."""
        return (self.valkey, self.s3, self.postgres)

    def start(self) -> None:
        """Start them side by side, and make the database and the bucket if they are missing."""
        self.home.mkdir(parents=True, exist_ok=True)
        start_all(self.servers)
        try:
            self.postgres.ensure_database(DATABASE)
            self.s3.ensure_bucket(BUCKET)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop them in reverse order; the data stay."""
        for server in reversed(self.servers):
            server.stop()

    @property
    def environment(self) -> dict[str, str]:
        """The `PACKSHOT_*` settings of processes that use them."""
        return {
            "PACKSHOT_HOME": str(self.home),
            "PACKSHOT_DATABASE_URL": self.postgres.url(DATABASE),
            "PACKSHOT_BROKER_URL": self.valkey.url(),
            "PACKSHOT_S3_ENDPOINT_URL": self.s3.endpoint_url,
            "PACKSHOT_S3_BUCKET": BUCKET,
            "PACKSHOT_S3_REGION": REGION,
            "PACKSHOT_S3_ACCESS_KEY_ID": self.s3.access_key_id,
            "PACKSHOT_S3_SECRET_ACCESS_KEY": self.s3.secret_access_key,
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
