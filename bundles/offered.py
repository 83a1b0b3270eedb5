"""Which schedulers requests may name, and with how many steps, as a bundle says.

The API asks, so nothing here imports torch, openvino, diffusers, optimum or nncf.
"""

import json
from pathlib import Path
from typing import Any

from bundles.manifest import Manifest, SchedulerSupport
from core.domain.schedulers import KNOWN, step_limits


def scheduler_support(manifest: Manifest, folder: Path) -> dict[str, SchedulerSupport]:
    """Return what each scheduler can do with a bundle's model.

    Args:
        manifest: The bundle's.
        folder: The bundle's folder. Where schedulers were not tried when it was built, their
            limits are those that its scheduler configuration names.
    """
    if manifest.schedulers is not None:
        return manifest.schedulers
    config = _config(folder / "scheduler" / "scheduler_config.json")
    return {name: SchedulerSupport(most_steps=step_limits(name, config).most) for name in KNOWN}


def _config(path: Path) -> dict[str, Any]:
    try:
        config: Any = json.loads(path.read_bytes())
    except (OSError, ValueError):
        # Workers refuse the bundle; until then the classes' own limits do.
        return {}
    return config if isinstance(config, dict) else {}
