"""What each scheduler can do with a bundle's model."""

import json
from pathlib import Path
from typing import Any

from pydantic import Field

from bundles.records import Record
from core.domain.schedulers import KNOWN, StepLimits, step_limits


class SchedulerSupport(Record):
    """What a scheduler can do with the model's own scheduler configuration, as it was tried."""

    least_steps: int = Field(1, ge=1)
    most_steps: int | None = Field(None, ge=1, description="Empty: no limit of its own.")
    reason: str = Field("", description="Why it does not work at all; empty: it works.")
    remark: str = Field("", description="What of the configuration is changed for it.")

    @property
    def works(self) -> bool:
        """Return whether requests may name it."""
        return not self.reason

    @property
    def limits(self) -> StepLimits:
        """Return how many steps it can take."""
        return StepLimits(least=self.least_steps, most=self.most_steps)


def untried_support(folder: Path) -> dict[str, SchedulerSupport]:
    """Return what the classes of schedulers tell, for a bundle in which none was tried.

    Limits are those that its scheduler configuration names.
    """
    config = _config(folder / "scheduler" / "scheduler_config.json")
    return {name: SchedulerSupport(most_steps=step_limits(name, config).most) for name in KNOWN}


def _config(path: Path) -> dict[str, Any]:
    try:
        config: Any = json.loads(path.read_bytes())
    except (OSError, ValueError):
        # Workers refuse the bundle; until then the classes' own limits do.
        return {}
    return config if isinstance(config, dict) else {}
