"""Every setting, typed and described; read from `PACKSHOT_*` variables and `.env`.

A file for each section; `Settings` is all of them.
"""

import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.settings.api import ApiSettings
from core.settings.caches import CacheSettings
from core.settings.connections import ConnectionSettings
from core.settings.model import ModelSettings
from core.settings.pages import PageSettings
from core.settings.publishing import PublishSettings
from core.settings.queue import QueueSettings
from core.settings.retention import RetentionSettings
from core.settings.services import ServiceSettings
from core.settings.sources import SourceSettings
from core.settings.storage import StorageSettings
from core.settings.watching import WatchingSettings
from core.settings.webhooks import WebhookSettings
from core.settings.worker import WorkerSettings

PREFIX = "PACKSHOT_"
"""Of every variable that is a setting."""

ENV_FILE = ".env"
"""In the folder that a process runs in."""

OF_THE_COMMAND = ("PACKSHOT_URL", "PACKSHOT_KEY")
"""What the `packshot` command reads beside the settings: the server that it talks to."""


class Settings(
    ServiceSettings,
    QueueSettings,
    StorageSettings,
    ApiSettings,
    PageSettings,
    ConnectionSettings,
    ModelSettings,
    WorkerSettings,
    CacheSettings,
    RetentionSettings,
    SourceSettings,
    WebhookSettings,
    PublishSettings,
    WatchingSettings,
    BaseSettings,
):
    """The settings of every packshot process."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILE,
        extra="ignore",
        frozen=True,
        # URLs have passwords in them.
        hide_input_in_errors=True,
    )


def fields_in(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what variables say of settings, by the settings' fields: for `Settings(**fields)`."""
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(PREFIX)
    }


def unknown_settings(
    environ: Mapping[str, str], env_file: Path | None = None
) -> Mapping[str, str | None]:
    """Find `PACKSHOT_*` variables that are no setting: nothing reads them.

    Args:
        environ: The environment.
        env_file: Where settings are read from beside it, if there is such a file.

    Returns:
        By its name as it was written, the setting with the nearest name; None where no name is
        near.
    """
    given = {*environ, *(dotenv_values(env_file) if env_file else ())}
    # pydantic-settings folds case, too.
    ours = {name: name.upper() for name in sorted(given) if name.upper().startswith(PREFIX)}
    return {
        name: _nearest(folded.removeprefix(PREFIX))
        for name, folded in ours.items()
        if folded.removeprefix(PREFIX).lower() not in Settings.model_fields
        and folded not in OF_THE_COMMAND
    }


def _nearest(name: str) -> str | None:
    # Without the prefix, which would make all of them alike.
    known = [field.upper() for field in Settings.model_fields]
    found = get_close_matches(name, known, n=1)
    return f"{PREFIX}{found[0]}" if found else None


def describe_unknown_settings() -> Sequence[str]:
    """Describe each variable of this process that is no setting, with the one that may be meant."""
    return [
        f"{name} is no setting and is ignored"
        + (f"; did you mean {nearest}?" if nearest else "; docs/settings.md lists them.")
        for name, nearest in unknown_settings(os.environ, Path(ENV_FILE)).items()
    ]


def describe_unused_bundle(settings: Settings) -> Sequence[str]:
    """Describe a `PACKSHOT_BUNDLE` that counts for nothing, as `PACKSHOT_MODELS` names others."""
    named = "bundle" in settings.model_fields_set
    folders = {folder.resolve() for folder in settings.models.values()}
    if not named or settings.bundle.expanduser().resolve() in folders:
        return []
    return [
        f"PACKSHOT_BUNDLE is ignored: PACKSHOT_MODELS says which models there are "
        f"({', '.join(settings.models)})."
    ]


def describe_invalid_settings(error: ValidationError) -> Sequence[str]:
    """Write a sentence for each setting that cannot be used."""
    return [
        f"{PREFIX}{'_'.join(str(part) for part in problem['loc']).upper()}: "
        f"{problem['msg'].removeprefix('Value error, ').rstrip('.')}."
        for problem in error.errors(include_url=False, include_input=False)
    ]


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Read the settings once for this process."""
    return Settings()
