"""Model bundles for benchmarks, each built by a process of its own.

This process stays free of model libraries, whose memory and threads would be measured with it.
"""

import subprocess
import sys
from pathlib import Path

_BUILD = """
import sys
from pathlib import Path
from modelkit.export.build import build
source, target = map(Path, sys.argv[1:])
if not source.exists():
    from tests.support.microscopic import save_microscopic
    save_microscopic(source)
build(source, target)
"""


def build_microscopic(folder: Path) -> Path:
    """Build a random model of a few kilobytes; give the bundle's folder."""
    return _build(folder / "source", folder / "bundle")


def build_starter(folder: Path) -> Path:
    """Build the starter as it is shipped; give the bundle's folder."""
    from starter import SOURCE

    return _build(SOURCE, folder / "bundle")


def _build(source: Path, target: Path) -> Path:
    subprocess.run(
        [sys.executable, "-c", _BUILD, str(source), str(target)], check=True, capture_output=True
    )
    return target
