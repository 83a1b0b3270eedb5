import numpy as np
import pytest

from modelkit.evaluation.similarity import psnr, ssim


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (16, 20, 3), np.uint8)


def flat(level: int) -> np.ndarray:
    return np.full((16, 20, 3), level, np.uint8)


def windowed_ssim(one: np.ndarray, other: np.ndarray) -> float:
    """Wang et al.'s formula, window by window, as it stands in the paper."""
    axis = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(axis, axis) / np.outer(axis, axis).sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for channel in range(3):
        for top in range(one.shape[0] - 10):
            for left in range(one.shape[1] - 10):
                place = np.s_[top : top + 11, left : left + 11, channel]
                x, y = one[place].astype(float), other[place].astype(float)
                mx, my = (window * x).sum(), (window * y).sum()
                vx, vy = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum()
                cov = (window * (x - mx) * (y - my)).sum()
                values.append(
                    (2 * mx * my + c1) * (2 * cov + c2)
                    / ((mx**2 + my**2 + c1) * (vx + vy + c2))
                )  # fmt: skip
    return float(np.mean(values))


def test_one_level_everywhere_is_48_db():
    assert psnr(flat(100), flat(101)) == pytest.approx(20 * np.log10(255))


def test_the_farthest_apart_is_0_db():
    assert psnr(flat(0), flat(255)) == pytest.approx(0)


def test_equal_images_are_as_alike_as_can_be(image):
    assert psnr(image, image) == float("inf")
    assert ssim(image, image) == pytest.approx(1)


def test_ssim_is_the_paper_s_formula_over_all_whole_windows(image):
    other = np.clip(image * 0.7 + 30, 0, 255).astype(np.uint8)
    assert ssim(image, other) == pytest.approx(windowed_ssim(image, other), abs=1e-9)


def test_ssim_of_flat_images_compares_their_levels():
    c1 = (0.01 * 255) ** 2
    wanted = (2 * 50 * 200 + c1) / (50**2 + 200**2 + c1)
    assert ssim(flat(50), flat(200)) == pytest.approx(wanted)


def test_ssim_sees_lost_structure_where_psnr_does_not():
    checks = np.indices((32, 32)).sum(axis=0) % 2
    board = np.repeat((100 + 20 * checks)[..., None], 3, axis=2).astype(np.uint8)
    brighter, blurred = board + np.uint8(10), np.full_like(board, 110)
    assert psnr(board, brighter) == pytest.approx(psnr(board, blurred))
    assert ssim(board, brighter) > 0.9
    assert ssim(board, blurred) < 0.5


def test_images_of_different_sizes_are_refused(image):
    for score in (psnr, ssim):
        with pytest.raises(ValueError, match="cannot be compared"):
            score(image, image[:, :-1])


def test_images_smaller_than_the_window_are_refused():
    with pytest.raises(ValueError, match="smaller than SSIM's window"):
        ssim(np.zeros((10, 40, 3), np.uint8), np.zeros((10, 40, 3), np.uint8))
