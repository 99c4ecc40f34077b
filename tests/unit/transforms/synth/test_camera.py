import numpy as np
import pytest

from transforms.synth.camera import place_front_camera, place_side_camera


def test_side_camera_shows_the_walking_line_at_its_scale() -> None:
    camera = place_side_camera(
        px_per_m=100.0, distance_m=7.0, height_m=1.0, floor_px=300.0, width_px=640
    )
    feet, scale = camera.project(np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 1.6]]))
    assert feet.tolist() == [[320.0, 300.0], [420.0, 140.0]]
    assert scale.tolist() == [100.0, 100.0]
    _, behind = camera.project(np.array([0.0, 1.5, 0.0]))
    assert behind < 100.0


def test_who_comes_towards_the_front_camera_grows_as_asked() -> None:
    camera = place_front_camera(
        x_far_m=-2.0,
        x_near_m=3.0,
        far_px_per_m=90.0,
        near_px_per_m=160.0,
        height_m=1.0,
        floor_px=330.0,
        width_px=640,
    )
    points, scale = camera.project(np.array([[-2.0, 0.0, 0.0], [3.0, 0.0, 0.0]]))
    assert scale == pytest.approx([90.0, 160.0])
    assert points[1] == pytest.approx([320.0, 330.0])
    assert points[0, 1] < 330.0


def test_the_front_camera_keeps_off_on_a_short_way() -> None:
    camera = place_front_camera(
        x_far_m=0.0,
        x_near_m=0.5,
        far_px_per_m=90.0,
        near_px_per_m=160.0,
        height_m=1.0,
        floor_px=330.0,
        width_px=640,
    )
    assert camera.position_m == pytest.approx(3.5)


def test_a_point_at_the_camera_projects_to_finite_pixels() -> None:
    camera = place_side_camera(
        px_per_m=100.0, distance_m=7.0, height_m=1.0, floor_px=300.0, width_px=640
    )
    points, scale = camera.project(np.array([0.3, -7.0, 1.0]))
    assert np.isfinite(points).all()
    assert np.isfinite(scale)
