"""Seconds by stage: each moment is charged once, to the innermost stage."""

import pytest

from transforms import stopwatch
from transforms.stopwatch import Stopwatch


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which the test moves."""
    now = [100.0]
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: now[0])
    return now


def test_a_stage_inside_another_takes_its_time_from_it(clock: list[float]) -> None:
    watch = Stopwatch()
    clock[0] += 50  # before any stage: nobody's
    with watch.stage("outer"):
        clock[0] += 1
        with watch.stage("inner"):
            clock[0] += 2
        clock[0] += 4
    with watch.stage("inner"):
        clock[0] += 8
    assert watch.seconds == {"outer": 5.0, "inner": 10.0}


def test_items_are_charged_for_coming_and_not_for_what_is_done_with_them(
    clock: list[float],
) -> None:
    def slow() -> list[int]:
        for item in range(3):
            clock[0] += 1
            yield item
        clock[0] += 10

    watch = Stopwatch()
    with watch.stage("work"):
        for _ in watch.charge("wait", slow()):
            clock[0] += 2
    assert watch.seconds == {"work": 6.0, "wait": 13.0}


def test_time_until_an_error_counts(clock: list[float]) -> None:
    def fail() -> None:
        clock[0] += 3
        raise ValueError("broken")

    watch = Stopwatch()
    with pytest.raises(ValueError, match="broken"), watch.stage("work"):
        fail()
    assert watch.seconds == {"work": 3.0}
