"""Networks of other people: recognised, recorded, and asked as their authors ask them."""

import hashlib
import json
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from typer.testing import CliRunner

from catalogue.cutouts.cutting import cut_out
from catalogue.cutouts.model import Method
from catalogue.cutouts.segmentation import LAYOUTS
from cli.main import app
from core.errors import BundleError
from modelkit.segmentation.adding import add_network
from tests.support.onnx_files import OnnxGraph
from worker.segmentation.record import load_network_record
from worker.segmentation.segmenter import OpenVinoSegmenter

BRIGHT = 40.0
"""How sharply the test's networks tell light from dark."""


def threshold(family: str, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a convolution that is positive where a normalised photograph is lighter than level."""
    layout = LAYOUTS[family]
    weight = np.full((1, 3, 1, 1), BRIGHT / 3, np.float32) * np.float32(layout.std)[:, None, None]
    bias = BRIGHT * (np.mean(layout.mean) - level)
    return weight, np.array([bias], np.float32)


def brightness(graph: OnnxGraph, family: str, name: str, *, wrong: bool = False) -> str:
    """Add logits that are right for a family's normalisation, or just the other way round."""
    weight, bias = threshold(family, 0.5)
    sign = -1 if wrong else 1
    inputs = [
        "input",
        graph.constant(f"{name}.weight", sign * weight),
        graph.constant(f"{name}.bias", sign * bias),
    ]
    return graph.node("Conv", inputs, name)


def u2net(folder: Path) -> Path:
    """Seven masks after a sigmoid, the fused one first, all of the input's size."""
    graph = OnnxGraph(side=320)
    for number in range(7):
        logits = brightness(graph, "u2net", f"d{number}", wrong=number > 0)
        graph.output(graph.node("Sigmoid", [logits], f"mask{number}"))
    return graph.write(folder / "u2netp.onnx")


def isnet(folder: Path) -> Path:
    """Six masks after a sigmoid, the finest first, and the six features they are made of."""
    graph = OnnxGraph(side=1024)
    features = graph.constant("features.weight", np.zeros((4, 3, 1, 1), np.float32))
    for number in range(6):
        logits = brightness(graph, "isnet", f"d{number}", wrong=number > 0)
        graph.output(graph.node("Sigmoid", [logits], f"mask{number}"))
    for number in range(6):
        graph.output(graph.node("Conv", ["input", features], f"hx{number}"), channels=4)
    return graph.write(folder / "isnet-general-use.onnx")


def birefnet(folder: Path, *, sigmoid: bool = False, masks: int = 1) -> Path:
    """Masks from coarse to fine as logits or shares, from a graph with attention."""
    graph = OnnxGraph(side=1024)
    attention = graph.node("Softmax", ["input"], "attention", axis=1)
    nothing = graph.constant("nothing", np.zeros((1, 3, 1, 1), np.float32))
    silent = graph.node("Conv", [attention, nothing], "silent")
    for number in range(masks):
        logits = brightness(graph, "birefnet", f"d{number}", wrong=number < masks - 1)
        found = graph.node("Add", [logits, silent], f"output_image{number}")
        graph.output(graph.node("Sigmoid", [found], f"share{number}") if sigmoid else found)
    return graph.write(folder / "BiRefNet_lite.onnx")


MADE = {
    "u2net": u2net,
    "isnet": isnet,
    "birefnet": birefnet,
    "birefnet, shares": lambda folder: birefnet(folder, sigmoid=True),
    "birefnet, three": lambda folder: birefnet(folder, masks=3),
}


def photograph() -> np.ndarray:
    """A light square in a dark room; just light and just dark enough."""
    pixels = np.random.default_rng(3).integers(60, 115, (90, 120, 3), np.uint8)
    pixels[30:60, 40:90] = np.random.default_rng(4).integers(141, 250, (30, 50, 3), np.uint8)
    # Its brightest pixel is white, so that every family's idea of the brightest is the same.
    pixels[45, 60] = 255
    return pixels


@pytest.mark.parametrize("made", MADE)
def test_a_network_is_recognised_and_asked_as_its_authors_ask_it(made: str, tmp_path: Path) -> None:
    file = MADE[made](tmp_path)
    folder, record = add_network(file, tmp_path / "home", licence="MIT")
    assert record.family == made.partition(",")[0]
    assert record.side == (320 if record.family == "u2net" else 1024)
    assert record.logits == (made in ("birefnet", "birefnet, three"))
    found = OpenVinoSegmenter(folder).segment(photograph())
    assert found.shape == (90, 120)
    assert found[33:57, 43:87].mean() > 220
    assert found[:26].mean() < 25


def test_its_record_says_where_it_comes_from(tmp_path: Path) -> None:
    file = u2net(tmp_path)
    wanted = hashlib.sha256(file.read_bytes()).hexdigest()
    folder, record = add_network(
        file, tmp_path / "home", licence="Apache-2.0", name="mine", expected=wanted.upper()
    )
    assert folder == tmp_path / "home" / "mine"
    assert record == load_network_record(folder)
    written = json.loads((folder / "network.json").read_text())
    assert written["sha256"] == {"u2netp.onnx": wanted}
    assert (written["licence"], written["source"]) == ("Apache-2.0", str(file))


def test_openvinos_own_files_are_added_with_their_weights(tmp_path: Path) -> None:
    model = ov.Core().read_model(isnet(tmp_path))
    ov.save_model(model, tmp_path / "isnet.xml")
    folder, record = add_network(tmp_path / "isnet.xml", tmp_path / "home", licence="Apache-2.0")
    assert (record.family, sorted(record.sha256)) == ("isnet", ["isnet.bin", "isnet.xml"])
    assert OpenVinoSegmenter(folder).segment(photograph())[45, 65] > 200


def test_a_file_that_was_changed_later_is_not_used(tmp_path: Path) -> None:
    folder, _ = add_network(u2net(tmp_path), tmp_path / "home", licence="MIT")
    with (folder / "u2netp.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(BundleError, match=r"is not the file that was added\. Add the network"):
        OpenVinoSegmenter(folder)


def any_size(folder: Path) -> Path:
    graph = OnnxGraph(side=None)
    graph.output(graph.node("Sigmoid", [brightness(graph, "isnet", "d0")], "mask"))
    return graph.write(folder / "any.onnx")


def test_what_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="--family u2net or isnet or birefnet"):
        add_network(any_size(tmp_path), tmp_path / "home", licence="MIT")
    assert not list((tmp_path / "home").iterdir())
    folder, record = add_network(
        any_size(tmp_path), tmp_path / "home", licence="MIT", family="isnet"
    )
    assert (record.family, record.side) == ("isnet", 1024)
    assert OpenVinoSegmenter(folder).segment(photograph())[45, 65] > 200


def damaged(folder: Path) -> Path:
    file = u2net(folder)
    file.write_bytes(file.read_bytes()[:200])
    return file


def named(folder: Path, name: str, content: bytes = b"x") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def classifier(folder: Path) -> Path:
    graph = OnnxGraph(side=224)
    weight = graph.constant("weight", np.zeros((1000, 3, 1, 1), np.float32))
    graph.output(graph.node("Conv", ["input", weight], "classes"), channels=1000)
    return graph.write(folder / "classifier.onnx")


REFUSED = {
    "missing": (lambda folder: folder / "none.onnx", "There is no file"),
    "damaged": (damaged, "Check that the download is whole"),
    "no network": (lambda folder: named(folder, "photo.onnx", b"\xff\xd8jpeg"), "cannot be read"),
    "weights alone": (lambda folder: named(folder, "u2net.pth"), "Export the network to ONNX"),
    "another kind": (lambda folder: named(folder, "photo.jpg"), "ends in .onnx or .xml"),
    "half": (lambda folder: named(folder, "isnet.xml"), "isnet.bin is missing"),
    "another task": (classifier, "none of that is a mask"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_network_says_so_and_leaves_nothing(case: str, tmp_path: Path) -> None:
    make, sentence = REFUSED[case]
    home = tmp_path / "home"
    with pytest.raises(BundleError, match=sentence):
        add_network(make(tmp_path), home, licence="MIT")
    assert not home.exists() or not list(home.iterdir())


def test_another_file_than_the_source_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="Download it again"):
        add_network(u2net(tmp_path), tmp_path / "home", licence="MIT", expected="0" * 64)


def test_adding_again_replaces_and_a_failure_keeps_what_was_there(tmp_path: Path) -> None:
    home = tmp_path / "home"
    folder, _ = add_network(u2net(tmp_path), home, licence="MIT", name="mine")
    add_network(isnet(tmp_path), home, licence="MIT", name="mine")
    assert load_network_record(folder).family == "isnet"
    with pytest.raises(BundleError):
        add_network(damaged(tmp_path), home, licence="MIT", name="mine")
    assert load_network_record(folder).family == "isnet"


def test_the_command_asks_for_the_licence_and_says_how_to_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACKSHOT_HOME", str(tmp_path / "home"))
    file = u2net(tmp_path)
    said = CliRunner().invoke(app, ["cutout", "add", str(file)], input="Apache-2.0\n")
    assert said.exit_code == 0, said.output
    folder = tmp_path / "home" / "cutouts" / "u2netp"
    assert load_network_record(folder).licence == "Apache-2.0"
    assert f"PACKSHOT_CUTOUT_NETWORK={folder}" in said.output
    listed = CliRunner().invoke(app, ["cutout", "list"])
    assert "u2netp" in listed.output
    assert hashlib.sha256(file.read_bytes()).hexdigest() in listed.output


def test_a_room_is_cut_by_the_network_that_was_added(tmp_path: Path) -> None:
    folder, _ = add_network(u2net(tmp_path), tmp_path / "home", licence="MIT")
    pixels = np.dstack([photograph(), np.full((90, 120), 255, np.uint8)])
    cutout = cut_out(pixels, network=OpenVinoSegmenter(folder))
    assert cutout.method is Method.NETWORK
    assert cutout.pixels[45, 65, 3] == 255
    assert not cutout.pixels[10, 10].any()
