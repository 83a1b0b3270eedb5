"""`packshot demo --exit`: the first thing that anybody runs."""

import csv
import re
import signal
from collections import Counter
from pathlib import Path

from PIL import Image

from tests.e2e.command import PATIENCE, ROOT, Packshot, until

EXAMPLE = ROOT / "examples" / "catalogue.csv"
SHOP = ROOT / "examples" / "shop" / "shop.csv"


def read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_the_example_from_an_empty_folder_and_again(packshot: Packshot) -> None:
    first = packshot.run("demo", "--exit", "--no-shop", "--out", "first")
    assert first.returncode == 0, first.stderr
    assert packshot.pids() == []
    products = read(EXAMPLE)
    rows = read(packshot.folder / "first" / "results.csv")
    check_results(products, rows)
    check_files(rows, packshot.folder / "first")
    # Sizes of one product have the same prompt: each image is computed once.
    different = {(product["prompt"], variant) for product in products for variant in (1, 2)}
    outcomes = Counter(row["cache"] for row in rows)
    assert outcomes == {"miss": len(different), "coalesced": len(rows) - len(different)}
    assert re.search(r"^API docs +http://127\.0\.0\.1:\d+/docs$", first.stdout, re.MULTILINE)
    assert re.search(
        r"^Flower +http://127\.0\.0\.1:\d+ \(user \w+, password \w+\)$", first.stdout, re.MULTILINE
    )

    again = packshot.run("demo", "--exit", "--no-shop", "--out", "again")
    assert again.returncode == 0, again.stderr
    repeated = read(packshot.folder / "again" / "results.csv")
    assert {row["cache"] for row in repeated} == {"exact"}
    assert {float(row["seconds"]) for row in repeated} == {0.0}
    for row in repeated:
        one, other = (packshot.folder / where / row["image"] for where in ("first", "again"))
        assert one.read_bytes() == other.read_bytes()


def check_shop(folder: Path) -> None:
    """Every photograph's product is there as Amazon's main image, and beside its photograph."""
    rows = read(folder / "results.csv")
    assert {(row["status"], row["error"], row["identical"]) for row in rows} == {
        ("succeeded", "", "true")
    }
    names = {row["image"] for row in rows}
    assert names == {f"{one['Variant SKU'].replace('-', '_')}.MAIN.jpg" for one in read(SHOP)}
    summaries = {"results.csv", "contact-sheet.png", "before-after.png"}
    assert {path.name for path in folder.iterdir()} == names | summaries
    for name in names:
        with Image.open(folder / name) as image:
            assert min(image.size) >= 1000
            assert image.getpixel((0, 0)) == (255, 255, 255)
    with Image.open(folder / "before-after.png") as sheet:
        assert sheet.width <= 1920


def check_results(products: list[dict[str, str]], rows: list[dict[str, str]]) -> None:
    """The sheet's own columns, then what became of each image, in the order of the sheet."""
    columns = list(products[0])
    assert list(rows[0])[: len(columns)] == columns
    for name in ("variant", "status", "error", "image", "seed", "cache", "seconds"):
        assert name in rows[0]
    wanted = [product for product in products for _ in range(int(product["variants"]))]
    assert [{name: row[name] for name in columns} for row in rows] == wanted
    assert [row["variant"] for row in rows] == ["1", "2"] * len(products)
    assert {(row["status"], row["error"]) for row in rows} == {("succeeded", "")}
    assert all(int(row["seed"]) >= 0 for row in rows)


def check_files(rows: list[dict[str, str]], folder: Path) -> None:
    """One image per row, `<SKU>_<variant>.png`, and nothing but the two summaries beside."""
    names = [row["image"] for row in rows]
    assert names == [f"{row['sku']}_{row['variant']}.png" for row in rows]
    assert {path.name for path in folder.iterdir()} == {*names, "results.csv", "contact-sheet.png"}
    for name in names:
        with Image.open(folder / name) as image:
            assert (image.format, image.size) == ("PNG", (32, 32))
    with Image.open(folder / "contact-sheet.png") as sheet:
        assert sheet.width <= 1920
        assert sheet.height <= 1080


def test_a_shop_is_cut_out_of_its_photographs(packshot: Packshot) -> None:
    sheet = packshot.folder / "one.csv"
    sheet.write_text("sku,prompt\nMUG,a striped red mug on a white background\n")
    done = packshot.run("demo", "--exit", "--shop", sheet)
    assert done.returncode == 0, done.stderr
    check_shop(packshot.folder / "packshot-out" / "shop")


def test_the_first_start_builds_the_starter_model(packshot: Packshot) -> None:
    del packshot.environment["PACKSHOT_BUNDLE"]
    sheet = packshot.folder / "one.csv"
    sheet.write_text("sku,prompt\nMUG,a striped red mug on a white background\n")
    done = packshot.run("demo", "--exit", sheet)
    assert done.returncode == 0, done.stderr
    assert "Building the starter model" in done.stderr
    assert (packshot.home / "bundles" / "starter" / "manifest.json").is_file()
    with Image.open(packshot.folder / "packshot-out" / "MUG_1.png") as image:
        assert image.size == (128, 128)


def test_a_signal_in_the_middle_stops_everything(packshot: Packshot) -> None:
    """SIGTERM, which the stack takes as it takes the Ctrl-C that ends `packshot up`."""
    sheet = packshot.folder / "long.csv"
    sheet.write_text("sku,prompt,steps\n" + "".join(f"S{i},mug {i},150\n" for i in range(400)))
    with packshot.start("demo", sheet) as process:
        out = packshot.folder / "packshot-out"
        until(lambda: process.poll() is not None or bool(list(out.glob("*.png"))))
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "packshot fetch" in err
    assert "Traceback" not in err
    assert packshot.pids() == []
