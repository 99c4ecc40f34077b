"""Flesh and clothing: capsules on a walker's joints, and their outlines in the image.

A capsule is the hull of two balls; its outline in the image is a convex polygon.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from transforms.synth.camera import Camera
from transforms.synth.posture import Joints
from transforms.synth.walker import SIDES, Physique

FloatArray = NDArray[np.float64]
Rgb = tuple[int, int, int]
Legwear = Literal["trousers", "shorts", "skirt"]
Hairstyle = Literal["short", "bob", "bun", "ponytail"]

# Relative brightness: the rim of a part, its lit middle, and how much the far side loses.
RIM_SHADE: Final = 0.84
LIT_SHADE: Final = 1.08
FAR_SHADE: Final = 0.82
SHADE_RANGE: Final = (RIM_SHADE * FAR_SHADE, LIT_SHADE)
_CLOTH_LAYER_M: Final = 0.12  # enough to cover a thigh in stride, too little to cover an arm
_ARC_POINTS: Final = 9  # per end of a capsule


@dataclass(frozen=True)
class Outfit:
    """What a body wears and its colours."""

    top: Rgb
    bottom: Rgb
    skin: Rgb
    hair: Rgb
    shoes: Rgb
    sleeves: Literal["short", "long"]
    legwear: Legwear
    hairstyle: Hairstyle
    looseness: float  # 1: tight; thickens cloth
    hem: float  # how far the top hangs below the hips, in units of the thigh


@dataclass(frozen=True)
class Capsules:
    """The parts of one body over time.

    Attributes:
        ends: `(part, 2, frame, 3)` float64 world metres.
        radii: `(part, 2)` float64 metres.
        layers: `(part,)` float64 metres by which cloth lies over what it covers.
        colours: `(part, 3)` uint8 RGB.
    """

    ends: FloatArray
    radii: FloatArray
    layers: FloatArray
    colours: NDArray[np.uint8]


@dataclass(frozen=True)
class Outline:
    """The parts of one body in the image.

    Attributes:
        polygons: `(frame, part, point, 2)` float64 pixels, convex.
        highlights: the same for the lit middle of each part.
        order: `(frame, part)` int64, far parts first.
        depth_px_per_m: `(frame,)` float64 image scale of the body; greater is nearer.
        nearness: `(frame, part)` float64, about -1 (far side of the body) to 1.
    """

    polygons: FloatArray
    highlights: FloatArray
    order: NDArray[np.int64]
    depth_px_per_m: FloatArray
    nearness: FloatArray


class _Builder:
    """Collects capsules; thicknesses are in units of the stature, where fleshy times the girth."""

    def __init__(self, physique: Physique) -> None:
        self._bone_m = physique.stature_m
        self._flesh_m = physique.stature_m * physique.girth
        self._ends: list[FloatArray] = []
        self._radii: list[tuple[float, float]] = []
        self._layers: list[float] = []
        self._colours: list[Rgb] = []

    def add(
        self,
        start: FloatArray,
        end: FloatArray,
        radii: tuple[float, float],
        colour: Rgb,
        *,
        bony: bool = False,
        layer_m: float = 0.0,
    ) -> None:
        unit_m = self._bone_m if bony else self._flesh_m
        self._ends.append(np.stack([start, end]))
        self._radii.append((radii[0] * unit_m, radii[1] * unit_m))
        self._layers.append(layer_m)
        self._colours.append(colour)

    def finish(self) -> Capsules:
        return Capsules(
            ends=np.stack(self._ends),
            radii=np.array(self._radii),
            layers=np.array(self._layers),
            colours=np.array(self._colours, dtype=np.uint8),
        )


def build_capsules(joints: Joints, physique: Physique, outfit: Outfit) -> Capsules:
    """Dress the joints of a walker; the same parts in the same order for the same outfit."""
    builder = _Builder(physique)
    for side, _ in SIDES:
        _add_leg(builder, joints, side, outfit)
    _add_trunk(builder, joints, outfit)
    _add_head(builder, joints, physique.stature_m, outfit)
    for side, _ in SIDES:
        _add_arm(builder, joints, side, outfit)
    return builder.finish()


def _add_leg(builder: _Builder, joints: Joints, side: str, outfit: Outfit) -> None:
    hip, knee = joints[f"{side}_hip"], joints[f"{side}_knee"]
    ankle, heel, toe = (joints[f"{side}_{name}"] for name in ("ankle", "heel", "toe"))
    cloth = outfit.looseness
    builder.add(heel, toe, (0.019, 0.014), outfit.shoes)
    builder.add(ankle, heel, (0.021, 0.020), outfit.shoes)
    if outfit.legwear == "trousers":
        builder.add(knee, ankle, (0.034 * cloth, 0.026 * cloth), outfit.bottom)
    else:
        calf = knee + 0.3 * (ankle - knee)
        builder.add(knee, calf, (0.030, 0.032), outfit.skin)
        builder.add(calf, ankle, (0.032, 0.020), outfit.skin)
    if outfit.legwear == "skirt":
        builder.add(hip, knee, (0.040, 0.031), outfit.skin)
        return
    builder.add(hip, knee, (0.050 * cloth, 0.036 * cloth), outfit.bottom)


def _add_trunk(builder: _Builder, joints: Joints, outfit: Outfit) -> None:
    hips = [joints[f"{side}_hip"] for side, _ in SIDES]
    shoulders = [joints[f"{side}_shoulder"] for side, _ in SIDES]
    pelvis, waist, chest = joints["pelvis"], joints["waist"], joints["chest"]
    cloth = outfit.looseness
    builder.add(hips[0], hips[1], (0.054 * cloth, 0.054 * cloth), outfit.bottom)
    knees = (joints["left_knee"] + joints["right_knee"]) / 2
    if outfit.legwear == "skirt":
        for hip, knee in zip(hips, (joints["left_knee"], joints["right_knee"]), strict=True):
            hem = hip + 0.75 * ((0.6 * knee + 0.4 * knees) - hip)
            builder.add(hip, hem, (0.052, 0.072 * cloth), outfit.bottom, layer_m=_CLOTH_LAYER_M / 2)
    if outfit.hem > 0:
        for hip in hips:
            hem = hip + outfit.hem * ((knees - pelvis) + 0.2 * (hip - pelvis))
            builder.add(
                hip, hem, (0.055 * cloth, 0.058 * cloth), outfit.top, layer_m=_CLOTH_LAYER_M
            )
    for hip, shoulder in zip(hips, shoulders, strict=True):
        low = waist + 0.62 * (hip - pelvis)
        high = chest + 0.52 * (shoulder - chest)
        builder.add(hip, low, (0.053 * cloth, 0.047 * cloth), outfit.top, layer_m=_CLOTH_LAYER_M)
        builder.add(low, high, (0.047 * cloth, 0.056 * cloth), outfit.top, layer_m=_CLOTH_LAYER_M)
    builder.add(waist, chest, (0.050 * cloth, 0.058 * cloth), outfit.top, layer_m=_CLOTH_LAYER_M)
    neck_base = joints["neck"] - 0.25 * (joints["neck"] - chest)
    for shoulder in shoulders:
        builder.add(neck_base, shoulder, (0.034, 0.031 * cloth), outfit.top)
    builder.add(joints["neck"], joints["chin"], (0.029, 0.027), outfit.skin)


def _add_head(builder: _Builder, joints: Joints, stature_m: float, outfit: Outfit) -> None:
    chin, crown = joints["chin"], joints["crown"]
    up = crown - chin
    ahead = chin - joints["neck"]
    ahead = ahead * np.array([1.0, 1.0, 0.0])
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
    builder.add(chin, crown, (0.037, 0.050), outfit.skin, bony=True)
    back = -0.010 * stature_m * ahead
    builder.add(crown + back, crown + 0.1 * up + back, (0.050, 0.050), outfit.hair, bony=True)
    if outfit.hairstyle == "bob":
        builder.add(crown + 1.6 * back, chin + 2.2 * back, (0.046, 0.040), outfit.hair, bony=True)
    elif outfit.hairstyle == "bun":
        bun = crown + 0.3 * up + 6.0 * back
        builder.add(bun, bun + 0.2 * up, (0.025, 0.025), outfit.hair, bony=True)
    elif outfit.hairstyle == "ponytail":
        root = crown + 5.0 * back
        builder.add(root, root - 1.1 * up + 2.0 * back, (0.020, 0.014), outfit.hair, bony=True)


def _add_arm(builder: _Builder, joints: Joints, side: str, outfit: Outfit) -> None:
    shoulder, elbow, wrist, hand = (
        joints[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist", "hand")
    )
    cloth = outfit.looseness
    builder.add(wrist, hand, (0.016, 0.018), outfit.skin)
    if outfit.sleeves == "long":
        builder.add(elbow, wrist, (0.024 * cloth, 0.019 * cloth), outfit.top)
        builder.add(shoulder, elbow, (0.032 * cloth, 0.026 * cloth), outfit.top)
        return
    sleeve = shoulder + 0.62 * (elbow - shoulder)
    builder.add(elbow, wrist, (0.021, 0.016), outfit.skin)
    builder.add(sleeve, elbow, (0.024, 0.022), outfit.skin)
    builder.add(shoulder, sleeve, (0.032 * cloth, 0.030 * cloth), outfit.top)


def trace_polygons(capsules: Capsules, camera: Camera) -> FloatArray:
    """Return only the outlines' polygons, `(frame, part, point, 2)` float64 pixels."""
    centres, scales = camera.project(capsules.ends)
    return _hull_of_circles(centres, capsules.radii[:, :, None] * scales)


def trace_outline(capsules: Capsules, camera: Camera) -> Outline:
    """Project a body's capsules and trace their outlines."""
    centres, scales = camera.project(capsules.ends)  # (part, 2, frame, 2), (part, 2, frame)
    radii = capsules.radii[:, :, None] * scales
    lit = centres - 0.22 * radii[..., None] * np.array([0.7, 0.7])
    part_scale = scales.mean(axis=1)  # (part, frame)
    body_scale = part_scale.mean(axis=0)
    relative = part_scale / body_scale - 1.0
    # A part nearer by d metres appears larger by the factor 1 + d / distance.
    nearer = part_scale * (1.0 + capsules.layers[:, None] * part_scale / camera.focal_px)
    spread = np.maximum(np.abs(relative).max(axis=0), 1e-9)
    return Outline(
        polygons=_hull_of_circles(centres, radii),
        highlights=_hull_of_circles(lit, 0.5 * radii),
        order=np.argsort(nearer.T, axis=1, kind="stable"),
        depth_px_per_m=body_scale,
        nearness=(relative / spread).T,
    )


def _hull_of_circles(centres: FloatArray, radii: FloatArray) -> FloatArray:
    """Return the hulls `(frame, part, point, 2)` of circle pairs `(part, 2, frame, ...)`."""
    axis = centres[:, 1] - centres[:, 0]
    distance = np.linalg.norm(axis, axis=-1)
    # Where one circle lies inside the other, a limb seen end on, the hull is the larger one.
    swallowed = np.abs(radii[:, 0] - radii[:, 1]) >= distance - 1e-9
    larger = (radii[:, 1] > radii[:, 0])[:, None]
    alone_centre = np.where(larger[..., None], centres[:, 1:], centres[:, :1])
    alone_radius = np.where(larger, radii[:, 1:], radii[:, :1])
    centres = np.where(swallowed[:, None, :, None], alone_centre, centres)
    radii = np.where(swallowed[:, None], alone_radius, radii)
    angle = np.arctan2(axis[..., 1], axis[..., 0])
    # The tangent points lie at this angle to the axis.
    cosine = np.where(swallowed, 0.0, (radii[:, 0] - radii[:, 1]) / np.maximum(distance, 1e-9))
    tangent = np.arccos(cosine)
    steps = np.linspace(0.0, 1.0, _ARC_POINTS)
    first = (angle + tangent)[..., None] + (2 * np.pi - 2 * tangent)[..., None] * steps
    second = (angle - tangent)[..., None] + (2 * tangent)[..., None] * steps
    arcs = [
        centres[:, end, :, None, :]
        + radii[:, end, :, None, None] * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
        for end, turn in ((0, first), (1, second))
    ]
    return np.concatenate(arcs, axis=2).swapaxes(0, 1)
