import numpy as np
import pytest

from transforms.synth.body import Capsules, trace_outline, trace_polygons
from transforms.synth.camera import place_side_camera

CAMERA = place_side_camera(px_per_m=100.0, distance_m=10.0, height_m=0.0, floor_px=0.0, width_px=0)


Point = tuple[float, ...]


def _capsule(start: Point, end: Point, radii: tuple[float, float]) -> Capsules:
    return Capsules(
        ends=np.array([start, end]).reshape(1, 2, 1, 3),
        radii=np.array([radii]),
        layers=np.zeros(1),
        colours=np.zeros((1, 3), np.uint8),
    )


def _turns(polygon: np.ndarray) -> np.ndarray:
    edges = np.roll(polygon, -1, axis=0) - polygon
    following = np.roll(edges, -1, axis=0)
    return edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0]


@pytest.mark.parametrize("radii", [(0.1, 0.1), (0.2, 0.05), (0.05, 0.2)])
@pytest.mark.parametrize("end", [(1.0, 0.0, 0.0), (0.3, 0.0, -0.6), (0.0, 0.0, 0.4)])
def test_outline_of_a_capsule_is_convex_and_as_large_as_its_balls(
    radii: tuple[float, float], end: tuple[float, ...]
) -> None:
    polygon = trace_polygons(_capsule((0.0, 0.0, 0.0), end, radii), CAMERA)[0, 0]
    turns = _turns(polygon)
    assert (turns >= -1e-6).all() or (turns <= 1e-6).all()
    # Rows run downwards: -z is further down.
    ends = np.array([(0.0, 0.0), (end[0], -end[2])]) * 100
    extent = np.array(
        [ends - 100 * np.array(radii)[:, None], ends + 100 * np.array(radii)[:, None]]
    )
    assert polygon.min(axis=0) == pytest.approx(extent.min(axis=(0, 1)), abs=1.2)
    assert polygon.max(axis=0) == pytest.approx(extent.max(axis=(0, 1)), abs=1.2)


@pytest.mark.parametrize("radii", [(0.3, 0.1), (0.1, 0.3)])
def test_a_limb_seen_end_on_is_its_larger_ball(radii: tuple[float, float]) -> None:
    polygon = trace_polygons(_capsule((0.0, 0.0, 0.0), (0.05, 0.0, 0.0), radii), CAMERA)[0, 0]
    centre = np.array([0.0, 0.0]) if radii[0] > radii[1] else np.array([5.0, 0.0])
    assert np.linalg.norm(polygon - centre, axis=1) == pytest.approx(30.0)


def test_nearer_parts_are_drawn_later_and_cloth_over_what_it_covers() -> None:
    ends = np.zeros((3, 2, 1, 3))
    ends[:, 1, :, 2] = 1.0
    ends[0, :, :, 1] = -0.5  # nearest to the camera
    ends[1, :, :, 1] = -0.05
    capsules = Capsules(
        ends=ends,
        radii=np.full((3, 2), 0.1),
        layers=np.array([0.0, 0.0, 0.1]),
        colours=np.zeros((3, 3), np.uint8),
    )
    outline = trace_outline(capsules, CAMERA)
    assert outline.order[0].tolist() == [1, 2, 0]
    assert outline.nearness[0, 0] == pytest.approx(1.0)
