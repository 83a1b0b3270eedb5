"""A product's matte: what differs from the backdrop, its shadow, and dust, told apart.

Whiteness says nothing: a white product on white paper is as white as the paper. What tells it is
that it differs from the backdrop at all, however little, all along its outline, and that nothing of
the backdrop can be reached through it from the frame.
"""

from dataclasses import dataclass

import numpy as np

from catalogue.renditions.backdrop import Backdrop, Levels, Mask, fit
from catalogue.renditions.regions import (
    blurred,
    components,
    dilated,
    eroded,
    flooded,
    surrounded,
)

WAY = 0.09
"""Share of the shorter side that a way into the picture is wide at least: a white stripe that ends
at a product's edge is none."""
LEAST, MOST = 1.5, 12.0
"""Levels, of 255, by which a smoothed pixel may differ from the backdrop and still be of it."""
GRAIN = 1.0
"""Levels more that a pixel may differ by which is not smoothed."""
MARGIN, MARGIN_TIMES = 0.03, 3
"""Share of the shorter side along the frame where backdrops are most uneven, and how much more."""
BRIM, BRIM_TIMES = 3, 4
"""Pixels between a shadow and the ground that are the shadow's, and how far from the backdrop."""
DUST = 0.02
"""Share of the largest part's pixels below which another part is none of the product."""
FAINT = 3.0
"""Tolerances within which a product's outline is hardly to be told."""
SPECK = 0.008
"""Share of the shorter side that dust is large at most: its radius."""
STEEP, STEEPEST = 0.5, 0.03
"""By how much a shadow's light changes from pixel to pixel at most, at 512 pixels: as a share of
the light that is gone, and of all light."""
NEUTRAL = 0.035
"""Share of light by which a shadow's colours differ at most."""
DARKEST = 0.35
"""Light that is left in a shadow at least; what is darker is a product."""
DEEP_BELOW, DEEP_ABOVE = 0.05, 0.12
"""Light that is gone somewhere in a shadow at least, in a product's lower half and in its upper."""
CORNER = 0.008
"""Share of the shorter side within which an outline has clear edges beside it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Matte:
    """What a picture is made of; each pixel is in one of the first three, or of the product."""

    ground: Mask
    """The backdrop, dust on it included."""
    shadow: Mask
    """The product's soft shadow."""
    fade: Levels
    """How far a pixel of ground or shadow is gone into the backdrop, 0 to 1."""
    backdrop: Backdrop
    tolerance: float
    """Levels by which a pixel may differ from it and still be of it."""
    faint: float
    """Share of the product's outline that can hardly be told from the backdrop."""

    @property
    def product(self) -> Mask:
        """Return what is neither background nor its shadow."""
        return ~self.ground & ~self.shadow


@dataclass(frozen=True, kw_only=True, eq=False)
class Unshaded:
    """What is known of a picture before anybody looks for its shadow."""

    smooth: Levels
    """The picture, averaged over 3 × 3 pixels."""
    backdrop: Backdrop
    tolerance: float
    """Levels by which a pixel may differ from it and still be of it."""
    near: Mask
    """Where it does not differ by more."""
    ground: Mask
    """What is reached of that from the frame."""


def cut_out(pixels: Levels) -> Matte:
    """Find the product before a backdrop.

    Args:
        pixels: (height, width, 3), in levels.
    """
    found = before_shadow(pixels)
    return with_shadow(pixels, found, soft_shadow(found))


def before_shadow(pixels: Levels) -> Unshaded:
    """Find the backdrop, and what of it is in plain sight.

    Args:
        pixels: (height, width, 3), in levels.
    """
    smooth = blurred(pixels, 1)
    backdrop = fit(smooth)
    near, tolerance = _near(smooth, backdrop)
    ground = reached(near)
    if np.count_nonzero(ground) > ground.size // 10:
        # The frame is not all of the backdrop: fit it again to what was found of it.
        backdrop = fit(smooth, ground)
        near, tolerance = _near(smooth, backdrop)
        ground = reached(near)
    return Unshaded(smooth=smooth, backdrop=backdrop, tolerance=tolerance, near=near, ground=ground)


def with_shadow(pixels: Levels, found: Unshaded, shadow: Mask) -> Matte:
    """Take a picture apart, its shadow being known.

    Args:
        pixels: (height, width, 3), in levels.
        found: What `before_shadow` returned.
        shadow: The product's, as far as it was found.
    """
    smooth, backdrop = found.smooth, found.backdrop
    near, tolerance = found.near, found.tolerance
    # Between a product and its shadow are corners that only now are wide enough.
    behind = reached(_undusted(eroded(dilated(near | shadow, 1), 1)))
    away = _strongest(pixels - backdrop.levels)
    ground = _sharpened(behind & near, away <= tolerance + GRAIN)
    shadow = behind & ~ground
    # Where a shadow ends it is too faint to be told from noise.
    fringe = dilated(ground, BRIM) & dilated(shadow, BRIM) & (away <= BRIM_TIMES * tolerance)
    shadow |= fringe & ~ground
    ground, shadow = _without_small_parts(ground, shadow)
    away = _strongest(smooth - backdrop.levels)
    fade = np.where(shadow, np.clip(2 - away / tolerance, 0, 1), ground)
    return Matte(
        ground=ground,
        shadow=shadow,
        fade=np.asarray(fade, np.float32),
        backdrop=backdrop,
        tolerance=tolerance,
        faint=_faint(~ground & ~shadow, ground, away, tolerance),
    )


def _near(smooth: Levels, backdrop: Backdrop) -> tuple[Mask, float]:
    """Match what is not far from the backdrop, and tell how many levels that is."""
    away = _strongest(smooth - backdrop.levels)
    tolerance = float(np.clip(1.3 * backdrop.unevenness + 1, LEAST, MOST))
    allowed = np.full(away.shape, MARGIN_TIMES * tolerance, np.float32)
    margin = max(2, round(MARGIN * min(away.shape)))
    allowed[margin:-margin, margin:-margin] = tolerance
    return _undusted(away <= allowed), tolerance


def _strongest(differences: Levels) -> Levels:
    """Return the largest difference of each pixel's three; `max(axis=2)` is ten times as slow."""
    red, green, blue = (np.abs(differences[..., one]) for one in range(3))
    return np.maximum(np.maximum(red, green), blue)


def _undusted(near: Mask) -> Mask:
    """Add dust to the backdrop: small, round, and with nothing of the product beside it."""
    side = min(near.shape)
    apart = max(1, round(0.004 * side))
    parts = components(dilated(~near, apart))
    largest = np.pi * (SPECK * side + apart) ** 2
    return near | parts.among(parts.sizes() <= largest)


def reached(near: Mask) -> Mask:
    """Keep what is reached from beyond the frame by ways that are wide enough."""
    radius = _way(near)
    around = np.pad(near, radius + 1, constant_values=True)
    inside = slice(radius + 1, -radius - 1)
    found: Mask = dilated(flooded(eroded(around, radius)), radius)[inside, inside] & near
    return found


def _sharpened(ground: Mask, near: Mask) -> Mask:
    """Bring a ground to the product's edge, which smoothing has widened, and into its corners."""
    for _ in range(max(1, _way(ground) // 4)):
        ground = ground | (dilated(ground, 1) & near)
    return ground


def _way(mask: Mask) -> int:
    """Return half the width of the narrowest way, in pixels."""
    return max(1, round(WAY / 2 * int(min(mask.shape))))


def soft_shadow(found: Unshaded) -> Mask:
    """Find what is the backdrop in less light, and grows out of it without an edge."""
    smooth, backdrop, ground = found.smooth, found.backdrop, found.ground
    if min(ground.shape) < 2:
        return np.zeros_like(ground)
    light = smooth / np.maximum(backdrop.levels, 1)
    red, green, blue = light[..., 0], light[..., 1], light[..., 2]
    mean = (red + green + blue) / 3
    strongest = np.maximum(np.maximum(red, green), blue)
    neutral = strongest - np.minimum(np.minimum(red, green), blue) <= NEUTRAL
    # An edge is steep where it begins; a shadow's light goes by a share of what is gone already.
    steep = np.hypot(*np.gradient(mean)) * (min(ground.shape) / 512)
    soft = steep <= np.minimum(STEEPEST, STEEP * (1 - mean))
    candidate = neutral & eroded(soft, 1) & (mean < 1) & (mean > DARKEST)
    thin = max(1, round(0.004 * min(ground.shape)))
    grown = flooded(candidate | ground, ground)
    grown = dilated(flooded(eroded(grown, thin), ground), thin + 1) & ~ground & neutral
    grown &= _deep_enough(grown, np.asarray(1 - mean, np.float32), ~ground)
    core = eroded(~ground & ~grown, 1)
    # A white product's shading is soft, too, but the product is around it.
    grown &= ~surrounded(core)
    if np.count_nonzero(grown) > np.count_nonzero(~ground & ~grown):
        return np.zeros_like(ground)
    return grown


def _deep_enough(grown: Mask, depth: Levels, other: Mask) -> Mask:
    """Match parts that are dark somewhere; what is not may as well be a white product.

    Most shadows lie below a product: in its upper half they must be darker.
    """
    rows = np.flatnonzero(other.any(axis=1))
    found = np.zeros_like(grown)
    if not rows.size:
        return found
    middle = (int(rows[0]) + int(rows[-1])) // 2
    for part, least in ((np.s_[:middle], DEEP_ABOVE), (np.s_[middle:], DEEP_BELOW)):
        parts = components(grown[part])
        found[part] = parts.among(parts.highest(depth[part]) >= least) & grown[part]
    return found


def _without_small_parts(ground: Mask, shadow: Mask) -> tuple[Mask, Mask]:
    """Count as ground what is small beside the product and apart from it."""
    parts = components(~ground)
    if not parts.count:
        return ground, shadow
    own = np.bincount(parts.labels[~shadow], minlength=parts.count + 1)
    own[0] = 0
    kept = own >= max(1.0, DUST * own.max())
    dust = parts.among(~kept) & ~ground
    return ground | dust, shadow & ~dust


def _faint(product: Mask, ground: Mask, away: Levels, tolerance: float) -> float:
    """Measure how much of the outline differs so little that it may be elsewhere."""
    outline = product & dilated(ground, 1)
    total = np.count_nonzero(outline)
    if not total:
        return 0.0
    # A narrow corner between a product's parts belongs to it, and has its clear edges beside it.
    beside = max(1, round(CORNER * min(product.shape)))
    clear = dilated((away > FAINT * tolerance) & product, beside)
    return float(np.count_nonzero(outline & ~clear) / total)
