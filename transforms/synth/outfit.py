"""Clothes and colours: drawn so that a body stands out from the room, though not glaringly."""

import colorsys
from collections.abc import Sequence
from typing import Final

import numpy as np

from transforms.synth.body import SHADE_RANGE, Hairstyle, Legwear, Outfit, Rgb
from transforms.synth.draws import draw_between

_MIN_CONTRAST: Final = 42.0  # Euclidean distance in RGB from every surface behind the body
_SHADES: Final = np.linspace(*SHADE_RANGE, 5)[:, None]
_ATTEMPTS: Final = 200
_SKINS: Final[tuple[Rgb, ...]] = (
    (226, 184, 158),
    (208, 160, 130),
    (178, 126, 94),
    (140, 94, 68),
    (104, 70, 52),
)
_HAIRS: Final[tuple[Rgb, ...]] = ((30, 26, 26), (58, 40, 30), (92, 62, 40), (44, 34, 34))
_SHOES: Final[tuple[Rgb, ...]] = ((28, 28, 32), (236, 236, 236), (190, 44, 48), (36, 52, 128))


def draw_outfit(rng: np.random.Generator, sex: str, surfaces: Sequence[Rgb]) -> Outfit:
    """Draw a participant's clothes; no colour comes close to a surface of the room."""
    female = sex == "F"
    legwear: tuple[Legwear, ...] = ("trousers", "shorts", "skirt" if female else "trousers")
    hairstyles: tuple[Hairstyle, ...] = (
        ("bob", "bun", "ponytail", "short") if female else ("short", "short", "bob")
    )
    return Outfit(
        top=_draw_colour(rng, surfaces),
        bottom=_draw_colour(rng, surfaces),
        skin=_pick(rng, _SKINS, surfaces),
        hair=_pick(rng, _HAIRS, surfaces),
        shoes=_pick(rng, _SHOES, surfaces),
        sleeves="long" if rng.random() < 0.5 else "short",
        legwear=legwear[rng.choice(3, p=(0.6, 0.25, 0.15))],
        hairstyle=hairstyles[rng.integers(len(hairstyles))],
        looseness=draw_between(rng, 1.0, 1.18),
        hem=draw_between(rng, 0.0, 0.25) if rng.random() < 0.5 else 0.0,
    )


def draw_coat(rng: np.random.Generator, surfaces: Sequence[Rgb]) -> Outfit:
    """Draw a clinician's clothes: a white, green or blue coat over trousers."""
    coats: tuple[Rgb, ...] = ((240, 242, 244), (38, 110, 96), (36, 62, 120))
    return Outfit(
        top=_pick(rng, coats, surfaces),
        bottom=_draw_colour(rng, surfaces),
        skin=_pick(rng, _SKINS, surfaces),
        hair=_pick(rng, _HAIRS, surfaces),
        shoes=_pick(rng, _SHOES, surfaces),
        sleeves="long",
        legwear="trousers",
        hairstyle="short" if rng.random() < 0.5 else "bob",
        looseness=draw_between(rng, 1.05, 1.2),
        hem=draw_between(rng, 0.5, 0.8),
    )


def contrast(colour: Rgb, surfaces: Sequence[Rgb]) -> float:
    """Return the smallest Euclidean distance of a colour, however shaded, to the surfaces."""
    shades = _SHADES * np.array(colour)
    return min(float(np.linalg.norm(shades - surface, axis=1).min()) for surface in surfaces)


def _draw_colour(rng: np.random.Generator, surfaces: Sequence[Rgb]) -> Rgb:
    """Draw until a colour stands out; otherwise return the best of the draws."""
    drawn: list[Rgb] = []
    for _ in range(_ATTEMPTS):
        hue, saturation, value = rng.random(), rng.uniform(0.1, 0.85), rng.uniform(0.12, 0.95)
        red, green, blue = (
            round(255 * channel) for channel in colorsys.hsv_to_rgb(hue, saturation, value)
        )
        drawn.append((red, green, blue))
        if contrast(drawn[-1], surfaces) >= _MIN_CONTRAST:
            return drawn[-1]
    return max(drawn, key=lambda colour: contrast(colour, surfaces))


def _pick(rng: np.random.Generator, palette: Sequence[Rgb], surfaces: Sequence[Rgb]) -> Rgb:
    clear = [colour for colour in palette if contrast(colour, surfaces) >= _MIN_CONTRAST]
    if clear:
        return clear[rng.integers(len(clear))]
    return max(palette, key=lambda colour: contrast(colour, surfaces))
