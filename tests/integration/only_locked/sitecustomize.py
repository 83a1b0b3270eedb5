"""Makes Python run as if only the packages of a lock were installed.

With this folder in PYTHONPATH and the lock's path in ONLY_LOCKED, for a process and all that it
starts. What compose.yaml starts in the small API image is started so, that an import of a package
that the image does not have fails here too.
"""

import os
import re
import sys
from importlib.abc import MetaPathFinder
from importlib.metadata import packages_distributions
from pathlib import Path


class Missing(MetaPathFinder):
    """Finds nothing of what is not in the lock, before anybody else looks."""

    def __init__(self, lock: Path) -> None:
        locked = {_canonical(name) for name in re.findall(r"^([\w.-]+)==", lock.read_text(), re.M)}
        self.absent = {
            module
            for module, owners in packages_distributions().items()
            if not locked & set(map(_canonical, owners))
        }

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in self.absent:
            raise ModuleNotFoundError(f"No module named {name!r} in the lock", name=name)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


sys.meta_path.insert(0, Missing(Path(os.environ["ONLY_LOCKED"])))
