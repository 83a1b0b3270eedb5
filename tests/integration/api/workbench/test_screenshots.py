"""The pictures of the workbench in the documentation: taken anew by this, and small.

With `PACKSHOT_SCREENSHOTS=docs/images/workbench` they are written where the documentation has them.
"""

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from api.pages.navigation import NAVIGATION
from core.links import WORKBENCH
from tests.integration.api.workbench.conftest import DESKTOP, PHONE, Person

PHOTOS = Path(__file__).parents[4] / "examples" / "shop" / "photos"
LOOKS = {
    "light": {"viewport": DESKTOP, "color_scheme": "light"},
    "dark": {"viewport": DESKTOP, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light", "device_scale_factor": 2},
}
MOST_BYTES = 1_000_000
"""Of all of them: they are a part of the repository."""


def picture(photo: Path) -> bytes:
    with Image.open(photo) as image:
        image.thumbnail((256, 256))
        stream = io.BytesIO()
        image.convert("RGB").save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def autumn(client, send, worker, things) -> dict[str, str]:
    """A batch of a shop's products, of which some are ready."""
    photos = sorted(PHOTOS.glob("*.jpg"))[:12]
    names = [photo.stem.replace("-", " ") for photo in photos]
    rows = "".join(f"HOM-{number:03},{name}\n" for number, name in enumerate(names, start=1))
    batch = send(client, f"sku,title\n{rows}", name="Autumn catalogue", width=128, height=128)
    jobs = client.get(batch["links"]["items"]).json()["items"]
    for job, photo in list(zip(jobs, photos, strict=True))[:9]:
        worker.make(job["id"], picture(photo))
    return things | {"batch_id": batch["id"], "job_id": jobs[0]["id"]}


def pages(things: dict[str, str]) -> dict[str, str]:
    """Return the paths of the pages that are shown, by the pictures' names."""
    found = {place.label.lower().replace(" ", "-"): place.path for place in NAVIGATION}
    return found | {
        "batch": f"{WORKBENCH}/batches/{things['batch_id']}",
        "review": f"{WORKBENCH}/batches/{things['batch_id']}/review",
        "image": f"{WORKBENCH}/images/{things['job_id']}",
    }


def shoot(person: Person, path: str, target: Path) -> None:
    person.go(path)
    person.page.wait_for_load_state("load")
    for image in person.page.locator("img").all():
        image.evaluate("one => one.decode().catch(() => null)")
    with Image.open(io.BytesIO(person.page.screenshot())) as taken:
        taken.thumbnail((DESKTOP["width"], DESKTOP["width"]))
        taken.convert("RGB").save(target, "WEBP", quality=72, method=6)


@pytest.mark.slow
def test_every_place_has_a_picture_in_each_look_and_all_are_small(person, autumn, tmp_path):
    folder = Path(os.environ.get("PACKSHOT_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    for look, options in LOOKS.items():
        ada = person(**options)
        ada.sign_in()
        for name, path in pages(autumn).items():
            taken.append(folder / f"{name}-{look}.webp")
            shoot(ada, path, taken[-1])
    assert len(taken) == 3 * (len(NAVIGATION) + 3)
    assert sum(one.stat().st_size for one in taken) < MOST_BYTES
