"""Builds the microscopic model as a bundle.

`python tiny_bundle.py SOURCE TARGET`: a process of its own, because the model libraries warn about
themselves at every turn and the tests take warnings for errors.
"""

import sys
from pathlib import Path

from bundles.microscopic import save_microscopic
from modelkit.export.build import build

if __name__ == "__main__":
    build(save_microscopic(Path(sys.argv[1])), Path(sys.argv[2]))
