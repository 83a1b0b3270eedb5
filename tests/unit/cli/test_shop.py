"""The demo's shop: each photograph beside what was made of it."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from cli import shop
from cli.pictures.before_after import ProductStages


@pytest.fixture
def drawn(monkeypatch) -> list[ProductStages]:
    """What the picture was drawn of."""
    found: list[ProductStages] = []
    draw = shop.write_before_after

    def write(target, products, *rest):
        found.extend(products)
        draw(target, products, *rest)

    monkeypatch.setattr(shop, "write_before_after", write)
    return found


def entry(line: int, sku: str, file=None, error=None) -> SimpleNamespace:
    return SimpleNamespace(item=SimpleNamespace(line=line, sku=sku, error=error), file=file)


def test_products_stand_beside_their_own_photographs_and_a_failure_says_why(tmp_path, drawn):
    made = tmp_path / "KIT-01.MAIN.png"
    Image.new("RGB", (50, 50), "lime").save(made)
    entries = [entry(2, "KIT-01", made), entry(3, "KIT-02", error="It is blurred.")]
    shop.draw_shop(SimpleNamespace(entries=entries), tmp_path / "sheet.png")
    photographs = [one.files[0] for one in drawn]
    assert [one.name for one in photographs] == ["teapot.jpg", "hot-beverage.jpg"]
    assert all(one.is_file() for one in photographs)
    assert [one.text for one in drawn] == ["Meadow teapot", "Morning cup"]
    assert [(one.files[1], one.reason) for one in drawn] == [(made, ""), (None, "It is blurred.")]
    pixels = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert (pixels == (0, 255, 0)).all(axis=2).any()
