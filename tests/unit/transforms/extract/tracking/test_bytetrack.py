import pytest

from transforms.extract.protocols import Detection
from transforms.extract.tracking.bytetrack import FragmentCollector, TrackersByteTrack
from transforms.settings import TrackingSettings


def person(x: float, score: float = 0.9) -> Detection:
    return Detection((x, 50.0, x + 40, 150.0), score)


@pytest.mark.slow  # the tracker's package alone takes seconds to import
def test_two_apart_are_two_fragments_and_a_low_score_is_bridged() -> None:
    detections = [
        (person(10 + 2.0 * frame, 0.3 if frame == 10 else 0.9), person(300 - 2.0 * frame))
        for frame in range(30)
    ]
    first, second = TrackersByteTrack(TrackingSettings()).follow(detections)
    assert first.frames == second.frames == tuple(range(30))
    assert first.detections == tuple(pair[0] for pair in detections)


def test_the_detection_before_the_name_is_taken_along() -> None:
    collected = FragmentCollector(0.2)
    collected.add(0, [person(200), person(10)], {})
    collected.add(1, [person(12)], {0: 7})
    collected.add(2, [person(14)], {0: 7})
    (fragment,) = collected.fragments()
    assert fragment.frames == (0, 1, 2)
    assert fragment.detections[0] == person(10)


def test_a_detection_of_an_earlier_frame_is_not_taken_along() -> None:
    collected = FragmentCollector(0.2)
    collected.add(0, [person(10)], {})
    collected.add(1, [], {})
    collected.add(2, [person(12)], {0: 1})
    assert collected.fragments()[0].frames == (2,)
