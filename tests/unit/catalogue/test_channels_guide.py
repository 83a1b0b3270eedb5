"""docs/channels.md says what the presets are."""

from pathlib import Path

import pytest

from catalogue.channels import PRESETS, Ground

GUIDE = (Path(__file__).parents[3] / "docs" / "channels.md").read_text()


@pytest.mark.parametrize("name", PRESETS)
def test_the_guide_has_the_figures_of_every_channel(name):
    preset = PRESETS[name]
    cells = (
        f"`{name}`",
        ", ".join(preset.formats),
        str(preset.smallest),
        str(preset.largest),
        f"{preset.max_bytes / 1e6:g}",
        "white" if preset.ground is Ground.WHITE else "keep",
        f"{preset.fill:.0%}".replace("%", " %") if preset.fill else "as drawn",
    )
    assert f"| {' | '.join(cells)} |" in GUIDE
