"""The starter model: a small Stable Diffusion that this project trained on its own drawings."""

from pathlib import Path

SOURCE: Path = Path(__file__).parent / "weights"
"""The trained model in diffusers' layout, for `modelkit.export.build.build`."""
