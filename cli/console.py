"""What the command says: results on standard output, everything else on standard error."""

import os
import warnings

from rich.console import Console
from rich.table import Table

from core.errors import PackshotError

stdout = Console(highlight=False, markup=False, soft_wrap=True)
stderr = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def say(text: str) -> None:
    """Print a line about what goes on."""
    stderr.print(text)


def fail(error: PackshotError | str) -> None:
    """Print one sentence about what went wrong."""
    sentence = error.detail if isinstance(error, PackshotError) else error
    stderr.print(f"packshot: {sentence}", style="red")


def show(table: Table) -> None:
    """Print a table as wide as it is: nothing is cut, so that everything can be copied."""
    Console(highlight=False, markup=False, width=1000).print(table, soft_wrap=True)


def quieten() -> None:
    """Silence the libraries' remarks about each other: the user can do nothing about them."""
    warnings.simplefilter("ignore")
    for library in ("TRANSFORMERS", "DIFFUSERS"):
        os.environ.setdefault(f"{library}_VERBOSITY", "error")
    os.environ.setdefault("TQDM_DISABLE", "1")
