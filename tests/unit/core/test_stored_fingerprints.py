"""Images that are in store are found by the fingerprints that they were stored with."""

from typing import Any

import pytest

from core.domain.image_spec import ImageSpec, ModelInput

SPEC: dict[str, Any] = {
    "prompt": "a red mug",
    "negative_prompt": "blue, blurred",
    "width": 512,
    "height": 384,
    "steps": 20,
    "guidance_scale": 7.5,
    "scheduler": "dpmpp_2m",
    "seed": None,
}
TAUGHT = ModelInput(taught=("<Cat>",))
DISTILLED = ModelInput(embeds_guidance=True)
BOTH = ModelInput(taught=("<Cat>",), embeds_guidance=True)

STORED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {}, "d7cd6a45303febfd588a5755ab8a471a5b651c363280c0e7bdbac28baa1b7209"),
    (
        {"prompt": "  A Red\tMUG "},
        {},
        "d7cd6a45303febfd588a5755ab8a471a5b651c363280c0e7bdbac28baa1b7209",
    ),
    (
        {"prompt": "cafe\u0301 ΣΊΣΥΦΟΣ 茶"},
        {},
        "4d6de61e4f0bf4eea9d88bd34d8f4b8c0479ad2467d3e159dd3f1bead03a3d8a",
    ),
    (
        {"prompt": "A <|endoftext|> Mug"},
        {},
        "28a228fe1d07b297667c1e8d09802a3b5418e134b2b7dc7cfd658c16f38ada3e",
    ),
    (
        {"prompt": "a <Cat> Mug"},
        {"reads": TAUGHT},
        "31e6d36a393884bfb884f759aaf7ac169b5e00ce97c8e747777e9e0a25039969",
    ),
    (
        {"guidance_scale": 1.0},
        {},
        "2268b8cf582da6442ebeec83050834e3ff3f2eceaf2cd0373f7866bd6ce0fcfe",
    ),
    (
        {"guidance_scale": 0.5, "negative_prompt": "wood"},
        {},
        "2268b8cf582da6442ebeec83050834e3ff3f2eceaf2cd0373f7866bd6ce0fcfe",
    ),
    (
        {"guidance_scale": -0.0},
        {"reads": DISTILLED},
        "198bbf1c71362c2f428649a5856959f00d3fbb20daf04fa3b9519b90f33d43a7",
    ),
    (
        {"guidance_scale": 1},
        {"reads": DISTILLED},
        "2268b8cf582da6442ebeec83050834e3ff3f2eceaf2cd0373f7866bd6ce0fcfe",
    ),
    (
        {"guidance_scale": 8},
        {"reads": DISTILLED},
        "59d500110fefa3cd69fb08d1b9fffd24a6378e1394dae11ffc1cf7d37b01c8e3",
    ),
    (
        {"guidance_scale": 1.00001, "width": 1024, "height": 1024, "steps": 4, "scheduler": "lcm"},
        {},
        "121c8fd8b62e096e7118f762dc9060e39eb5489ec9bcce8a7e94d8f146b0baeb",
    ),
    ({}, {"variant": 2}, "68ae6f6d2792a927d92e7c7823da448a2bc152de52fdeffec608f36ecd5578ec"),
    ({"seed": 0}, {}, "72f9329704866a724b09ff82fe86859c4e4790f724de21e29ef7ad6ba776c409"),
    (
        {"seed": 2**63 - 1},
        {"variant": 3},
        "1013a218dc8d3c195ceb69c36b845b42a250f3d958ba3acd0e74c57d2a763327",
    ),
    ({}, {"approximate": True}, "16a145d7d8fcf5804f970877eb2fcfcdae0dce7408de12d7a1cba449acab8531"),
    ({"prompt": ""}, {}, "450f7507a943724dabd8bf1c0e174e52799f016d0f4a6ad62649473099de4001"),
    (
        {"seed": 7},
        {"approximate": True, "variant": 2, "reads": BOTH},
        "c9ce7b292597dc4c648d9c821c7087ac77b9c6fa82e484749f54a33c1c2c9b39",
    ),
]
"""What is asked for beside `SPEC`, of which variant and model, and the fingerprint of old."""


@pytest.mark.parametrize(("changes", "terms", "stored"), STORED)
def test_an_images_fingerprint_never_changes(
    changes: dict[str, Any], terms: dict[str, Any], stored: str
):
    assert ImageSpec(**SPEC | changes).fingerprint("r1", **terms) == stored
