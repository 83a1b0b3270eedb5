import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from local.postgres import Postgres


@pytest.fixture(scope="session")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Postgres folder with an empty `packshot` database; initdb is what takes longest."""
    folder = tmp_path_factory.mktemp("initialised") / "postgres"
    with Postgres(folder, durable=False) as postgres:
        postgres.ensure_database("packshot")
    return folder


@pytest.fixture(scope="session")
def copy_postgres(initialised: Path) -> Callable[[Path], None]:
    """Put a copy of that folder somewhere."""

    def copy(folder: Path) -> None:
        shutil.copytree(initialised, folder)

    return copy
