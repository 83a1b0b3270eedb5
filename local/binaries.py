"""Programs inside installed wheels."""

from importlib.util import find_spec
from pathlib import Path

from local.errors import StackError


def packaged(package: str, pattern: str) -> Path:
    """Find a file of a package by a glob pattern, without importing the package.

    Importing those packages starts things and makes folders that nothing here needs.
    """
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in Path(folder).glob(pattern):
            return path
    raise StackError(
        f"The package {package} has no {pattern} for this machine. "
        "The embedded stack runs on Linux, x86-64 and arm64; install with ./run.sh."
    )
