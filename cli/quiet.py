"""Libraries that talk too much."""

import os
import warnings


def quieten() -> None:
    """Keep the libraries' remarks about each other from the user, who can do nothing about them."""
    warnings.simplefilter("ignore")
    for library in ("TRANSFORMERS", "DIFFUSERS"):
        os.environ.setdefault(f"{library}_VERBOSITY", "error")
    os.environ.setdefault("TQDM_DISABLE", "1")
