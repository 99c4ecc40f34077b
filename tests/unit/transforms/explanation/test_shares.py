import itertools

import numpy as np
import polars as pl
import pytest

from transforms.explanation.checks import OTHER_PEOPLE, correlate_maps, tabulate_checks
from transforms.explanation.regions import HALVES, REGIONS, cover_cells, sum_by_region
from transforms.explanation.shares import (
    METHODS,
    SequenceMaps,
    group_sequences,
    reduce_frames,
    tabulate_shares,
)

ALL_OVER = np.ones((64, 44), dtype=np.float32)


def spot(row: int, column: int = 5, value: float = 1.0) -> np.ndarray:
    found = np.zeros((16, 11), dtype=np.float32)
    found[row, column] = value
    return found


def sequence(name: str, person: str, whole: np.ndarray, predicted: str = "positive"):
    return SequenceMaps(
        name, person, "front", "positive", predicted, ALL_OVER,
        dict.fromkeys(METHODS, whole), None, {},
    )  # fmt: skip


def test_bands_are_whole_rows_without_gap() -> None:
    edges = list(REGIONS.values())
    assert edges[0][0] == 0
    assert edges[-1][1] == 16
    assert all(one[1] == after[0] for one, after in itertools.pairwise(edges))


@pytest.mark.parametrize(
    ("row", "column", "region", "left"),
    [
        (0, 0, "head", 1.0),
        (2, 10, "shoulders", 0.0),
        (6, 5, "trunk", 0.5),
        (15, 4, "shanks_feet", 1.0),
    ],
)
def test_a_cell_counts_in_its_region_and_half(row, column, region, left) -> None:
    sums = sum_by_region(spot(row, column))
    place = list(REGIONS).index(region)
    assert sums[place].tolist() == [1.0, left, 1.0 - left]
    assert sums.sum() == 2.0  # once in all, once in the halves
    assert HALVES[0] == "all"


def test_cells_are_means_of_four_by_four_pixels() -> None:
    pixels = np.zeros((2, 64, 44), dtype=np.float32)
    pixels[1, 4:8, 8:12] = 0.5
    pixels[1, 0, 0] = 1.0
    cells = cover_cells(pixels)
    assert cells.shape == (2, 16, 11)
    assert cells[1, 1, 2] == 0.5
    assert cells[1, 0, 0] == 1 / 16
    assert cells.sum() == 0.5 + 1 / 16


def test_what_speaks_against_is_cut_after_the_mean_over_frames() -> None:
    maps = {"evidence": np.stack([spot(1, value=3), spot(1, value=-1) + spot(9, value=-2)])}
    found = reduce_frames(maps, np.ones((2, 64, 44), np.float32), None)
    assert np.array_equal(found["whole"]["evidence"], spot(1))
    assert found["phase_silhouettes"] is None
    assert found["phases"] == {}


def test_phases_share_the_map_by_their_means() -> None:
    phases = np.array([*range(8), 7])
    values = [0.0] * 7 + [1.0, 3.0]
    values[0] = 2.0
    maps = {"attention": np.stack([spot(3, value=value) for value in values])}
    found = reduce_frames(maps, np.ones((9, 64, 44), np.float32), phases)
    sums = found["phases"]["attention"].sum(axis=(1, 2))
    # Two frames of phase 7 count as one mean: many frames are no more of the map.
    assert sums.tolist() == [0.5, 0, 0, 0, 0, 0, 0, 0.5]


def test_a_walk_that_lacks_a_phase_has_none() -> None:
    found = reduce_frames(
        {"attention": np.ones((7, 16, 11), np.float32)},
        np.ones((7, 64, 44), np.float32),
        np.arange(7),
    )
    assert found["phase_silhouettes"] is None


def test_people_count_once_however_often_they_walk() -> None:
    head, feet = spot(0), spot(15)
    walks = [sequence(f"a{turn}", "a", head) for turn in range(3)] + [sequence("b", "b", feet)]
    table = tabulate_shares(group_sequences(walks))
    whole = table.filter((pl.col("half") == "all") & (pl.col("method") == "evidence"))
    shares = dict(whole.select("region", "share").rows())
    assert shares["head"] == shares["shanks_feet"] == 0.5
    spread = dict(whole.select("region", "spread").rows())
    assert spread["head"] == pytest.approx(np.std([0, 1], ddof=1))
    assert whole["participants"].unique().to_list() == [2]
    assert whole["sequences"].unique().to_list() == [4]
    assert dict(whole.select("region", "body_share").rows())["trunk"] == pytest.approx(3 / 16)


def test_a_sequence_for_whose_class_nothing_speaks_is_left_out() -> None:
    walks = [sequence("a", "a", spot(0)), sequence("b", "b", spot(0, value=0.0))]
    table = tabulate_shares(group_sequences(walks))
    assert table["participants"].unique().to_list() == [1]
    assert table["spread"].null_count() == table.height
    assert tabulate_shares(group_sequences(walks[1:])).is_empty()


def test_groups_are_by_what_was_predicted() -> None:
    walks = [
        sequence("a", "a", spot(0), "positive"),
        sequence("b", "b", spot(0), "negative"),
        sequence("c", "c", spot(0), "positive"),
    ]
    groups = group_sequences(walks)
    assert [(one.predicted, len(one.members)) for one in groups] == [
        ("negative", 1),
        ("positive", 2),
    ]


RANDOM = np.random.default_rng(2)


def noise() -> np.ndarray:
    return RANDOM.random((16, 11)).astype(np.float32)


def test_only_the_figure_is_compared() -> None:
    one, other = noise(), noise()
    half = ALL_OVER.copy()
    half[:, 20:] = 0  # 5 columns of cells are left
    other[:, :5] = one[:, :5] ** 3  # ranks are kept
    assert correlate_maps(one, other, half) == pytest.approx(1.0)
    assert correlate_maps(one, other, ALL_OVER) < 0.9
    assert correlate_maps(one, np.ones_like(one), ALL_OVER) is None
    assert correlate_maps(one, other, 0 * half) is None


def checks_of(before, after, people) -> dict[tuple[str, str], dict]:
    found = [
        (ALL_OVER, dict.fromkeys(METHODS, one), dict.fromkeys(METHODS, other))
        for one, other in zip(before, after, strict=True)
    ]
    groups = group_sequences(
        [sequence(f"{n:02}", f"{n:02}", map_) for n, map_ in enumerate(people)]
    )
    table = tabulate_checks({"randomised": found}, groups, 0.5)
    return {(row["method"], row["check"]): row for row in table.to_dicts()}


def test_a_map_that_stays_when_the_weights_go_fails() -> None:
    maps = [noise() for _ in range(6)]
    same = checks_of(maps, maps, maps)["evidence", "randomised"]
    assert (same["is_passed"], same["compared"]) == (False, 6)
    upside_down = checks_of(maps, [-one for one in maps], maps)["evidence", "randomised"]
    assert upside_down["is_passed"] is False
    other = checks_of(maps, [noise() for _ in maps], maps)["evidence", "randomised"]
    assert other["is_passed"] is True
    assert other["correlation"] < 0.2


def test_a_map_that_is_another_for_everybody_fails() -> None:
    shape = noise()
    alike = checks_of([], [], [shape + 0.1 * noise() for _ in range(6)])["grad_cam", OTHER_PEOPLE]
    assert alike["is_passed"] is True
    unlike = checks_of([], [], [noise() for _ in range(6)])["grad_cam", OTHER_PEOPLE]
    assert unlike["is_passed"] is False


def test_what_cannot_be_compared_is_not_passed() -> None:
    found = checks_of([], [], [noise() for _ in range(3)])  # too few people
    assert found["evidence", "randomised"]["is_passed"] is None
    assert found["evidence", OTHER_PEOPLE]["is_passed"] is None
