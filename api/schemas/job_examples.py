"""An image of each mode, for people who read the API's description."""

from collections.abc import Sequence
from typing import Any

EXAMPLES: Sequence[dict[str, Any]] = (
    {"prompt": "a red mug on a wooden table", "sku": "MUG-1", "width": 512, "height": 512},
    {
        "mode": "cutout",
        "source": "https://shop.example/mug.jpg",
        "background": "#f4f1ea",
        "shadow": "contact",
    },
    {
        "mode": "scene",
        "source": "https://shop.example/mug.jpg",
        "prompt": "on a wooden table by a window",
        "blend": True,
    },
    {
        "mode": "edit",
        "source": "https://shop.example/mug.jpg",
        "mask": "https://shop.example/mask.png",
        "prompt": "a red bow",
        "strength": 0.8,
    },
)
"""Of an image of each mode, for people who read the API's description."""
