from transforms.extract.protocols import Detection
from transforms.extract.tracking.fragments import Fragment
from transforms.extract.tracking.ghosts import drop_ghosts


def box_path(
    frames: range,
    *,
    x_start: float = 100,
    speed: float = 3,
    top: float = 200,
    bottom: float = 400,
    score: float = 0.9,
) -> Fragment:
    return Fragment(
        tuple(frames),
        tuple(
            Detection(
                (x_start + speed * frame - 40, top, x_start + speed * frame + 40, bottom), score
            )
            for frame in frames
        ),
    )


def kept(*fragments: Fragment) -> list[Fragment]:
    return drop_ghosts(fragments, min_score=0.6, fps=25.0)


def test_a_box_around_a_part_of_the_body_is_no_person() -> None:
    person = box_path(range(80))
    assert kept(box_path(range(10, 50), bottom=300, score=0.8), person) == [person]


def test_a_second_box_is_no_person_and_fills_what_the_first_one_missed() -> None:
    whole = box_path(range(80))
    person = Fragment(
        whole.frames[:30] + whole.frames[36:], whole.detections[:30] + whole.detections[36:]
    )
    (found,) = kept(person, box_path(range(20, 50), x_start=104))
    assert found.frames == whole.frames


def test_who_walks_past_behind_somebody_is_a_person() -> None:
    standing = box_path(range(80), x_start=300, speed=0)
    passing = box_path(range(40), x_start=250, speed=3, top=240, bottom=390)
    assert kept(standing, passing) == [passing, standing]


def test_who_was_covered_for_a_part_of_their_time_is_a_person() -> None:
    person = box_path(range(80))
    slower = box_path(range(80), speed=2.0, top=210)
    assert kept(person, slower) == [person, slower]


def test_a_short_find_of_low_score_is_nobody_and_a_long_one_is_somebody() -> None:
    person = box_path(range(80))
    assert kept(person, box_path(range(20), x_start=600, speed=0, score=0.55)) == [person]
    assert len(kept(person, box_path(range(60), x_start=600, speed=0, score=0.55))) == 2


def test_who_walks_past_a_large_person_far_behind_is_a_person() -> None:
    near = Fragment(
        tuple(range(40)), tuple(Detection((200.0, 20.0, 360.0, 420.0), 0.9) for _ in range(40))
    )
    far = Fragment(
        tuple(range(5, 33)),
        tuple(Detection((190 + 5.0 * f, 200.0, 230 + 5.0 * f, 320.0), 0.9) for f in range(28)),
    )
    assert kept(near, far) == [near, far]
