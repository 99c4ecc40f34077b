import polars as pl
import pytest

from tests.unit.transforms.describe.results_material import (
    all_negative,
    cautious,
    experiment,
    material,
    mostly_right,
    predict,
    right,
)
from transforms.describe.formatting import NOTHING
from transforms.describe.gather import Dataset, Splits
from transforms.describe.page import Missing, Table, Text
from transforms.describe.results_cells import combine_experiments
from transforms.describe.results_figures import draw_grid
from transforms.describe.results_section import results_section
from transforms.describe.results_tables import (
    NOT_RUN,
    choose_variant,
    table_of_models,
    table_of_ratios,
    table_of_systems,
)
from transforms.describe.results_words import say_models, say_ratios, say_systems
from transforms.errors import InputError
from transforms.metrics.metrics import summarise_predictions
from transforms.presets import SIZES
from transforms.settings import EvaluationSettings

R2, R8, R16 = "ratio_1_1_2", "ratio_1_1_8", "ratio_1_1_16"
PROBE = {
    "variants": {
        R8: {
            "status": "judged",
            "all": {
                kind: {"accuracy": {"value": value, "low": value - 0.1, "high": value + 0.1}}
                for kind, value in (("linear", 0.4), ("tree", 0.35))
            },
        }
    }
}


def grid_of(*experiments, **options):
    return combine_experiments(material(experiments, **options))


def rows_of(table: Table, *first: str) -> list[tuple[str, ...]]:
    return [row for row in table.rows if row[: len(first)] == first]


def value_of(cell: str) -> float:
    return float(cell.partition(" ")[0])


def test_a_cell_is_the_mean_over_its_seeds():
    grid = grid_of(
        experiment("sconet", R8, 0, right), experiment("sconet", R8, 1, all_negative), seeds=(0, 1)
    )
    (row,) = rows_of(table_of_models(grid, R8, None), "ScoNet", "ours, per sequence")
    accuracy, sensitivity, specificity = (value_of(cell) for cell in row[2:5])
    assert (accuracy, sensitivity, specificity) == (66.7, 50.0, 100.0)
    assert row[7] == "2"


def test_ours_as_printed_repeats_the_inverted_convention():
    grid = grid_of(experiment("sconet", R8, 0, cautious))
    (row,) = rows_of(table_of_models(grid, R8, None), "ScoNet", "ours, per sequence")
    settings = EvaluationSettings(bootstrap_resamples=100)
    inverted = summarise_predictions(predict(cautious), settings)["as_published_2024"]
    assert value_of(row[5]) == pytest.approx(100 * inverted["sensitivity"])
    assert value_of(row[6]) == pytest.approx(100 * inverted["specificity"])
    assert [value_of(cell) for cell in row[3:7]] == [70.0, 100.0, 100.0, 70.0]
    (people,) = rows_of(table_of_models(grid, R8, None), "ScoNet", "ours, per participant")
    assert people[5:7] == (NOTHING, NOTHING)


def test_the_published_row_stands_in_both_readings():
    grid = grid_of(experiment("sconet_mt", R8, 0, right))
    (row,) = rows_of(table_of_models(grid, R8, None), "ScoNet-MT", "published, 1:1:8")
    assert row[2:7] == ("82.0", "76.5", "99.0", "99.0", "76.5")


def test_what_was_not_run_says_so_and_lacking_seeds_are_counted():
    grid = grid_of(experiment("sconet", R8, 1, right), seeds=(0, 1, 2))
    table = table_of_models(grid, R8, None)
    assert rows_of(table, "ScoNet", "ours, per sequence")[0][7] == "1 of 3"
    for name in ("Baseline CNN", "CNN-Triplet", "CNN-MT", "ScoNet-Triplet", "ScoNet-MT"):
        assert rows_of(table, name, "ours, per sequence")[0][2:5] == (NOT_RUN,) * 3
    ratios = table_of_ratios(grid, None)
    assert rows_of(ratios, "ScoNet", "ours, per sequence")[0][2:4] == (NOT_RUN, NOT_RUN)
    assert value_of(rows_of(ratios, "ScoNet", "ours, per sequence")[0][4]) == 100.0
    assert rows_of(ratios, "ScoNet", "published")[0][2:] == ("91.4", "88.6", "51.3", "23.7")


def test_screening_methods_are_not_swapped_and_stand_beside_both_readings():
    table = table_of_systems(grid_of(experiment("sconet", R8, 0, right)), R8, None)
    assert rows_of(table, "Adams forward bend test")[0][3:] == ("84.4", "95.2")
    assert rows_of(table, "ScoNet-MT", "published, as printed")[0][3:] == ("99.0", "76.5")
    assert rows_of(table, "ScoNet-MT", "published, read clinically")[0][3:] == ("76.5", "99.0")
    assert rows_of(table, "ScoNet-MT", "ours, 1:1:8")[0][2:] == (NOT_RUN,) * 3


def test_the_confounders_stand_below_the_models():
    grid = grid_of(experiment("sconet", R8, 0, right))
    for table in (table_of_models(grid, R8, PROBE), table_of_systems(grid, R8, PROBE)):
        (row,) = rows_of(table, "confounders, linear")
        assert row[2] == "40.0 [30.0, 50.0]"
    (row,) = rows_of(table_of_ratios(grid, PROBE), "confounders, tree")
    assert row[2:] == (NOTHING, NOTHING, "35.0 [25.0, 45.0]", NOTHING)


@pytest.mark.parametrize(
    ("plain", "multi", "found"),
    [
        (all_negative, right, "beyond doubt in 1, its reverse in 0; 0 cannot be told apart"),
        (right, all_negative, "beyond doubt in 0, its reverse in 1; 0 cannot be told apart"),
        (mostly_right, right, "beyond doubt in 0, its reverse in 0; 1 cannot be told apart"),
        (right, mostly_right, "beyond doubt in 0, its reverse in 0; 1 cannot be told apart"),
    ],
)
def test_the_order_is_found_or_reversed_only_beyond_doubt(plain, multi, found):
    grid = grid_of(experiment("sconet", R8, 0, plain), experiment("sconet_mt", R8, 0, multi))
    assert found in say_models(grid, R8)


def test_an_order_is_not_read_from_one_model_or_other_tests():
    one = experiment("sconet", R8, 0, all_negative)
    assert "nothing can be said" in say_models(grid_of(one), R8)
    elsewhere = experiment("sconet_mt", R8, 0, right, prefix="q")
    assert "1 cannot be told apart" in say_models(grid_of(one, elsewhere), R8)
    other_seed = experiment("sconet_mt", R8, 1, right)
    assert "1 cannot be told apart" in say_models(grid_of(one, other_seed), R8)


def test_another_ratio_than_the_published_is_named():
    grid = grid_of(experiment("sconet", R2, 0, right), experiment("sconet_mt", R2, 0, right))
    assert choose_variant(grid) == R2
    assert "Ours are trained at 1:1:2, the published at 1:1:8." in say_models(grid, R2)
    both = grid_of(experiment("sconet", R2, 0, right), experiment("sconet_mt", R8, 0, right))
    assert choose_variant(both) == R8


def test_the_published_sensitivity_changes_sides_with_the_reading():
    said = say_systems(grid_of(experiment("sconet", R8, 0, right)), R8)
    assert "as printed it is 99.0, above Adams forward bend test and Scoliometer" in said
    assert "read clinically it is 76.5, below Adams forward bend test and Scoliometer" in said
    assert "Ours was not run at 1:1:8." in said


@pytest.mark.parametrize(
    ("answer", "side"),
    [
        (all_negative, "below Adams forward bend test and Scoliometer."),
        (mostly_right, "not to be told from Adams forward bend test and Scoliometer."),
    ],
)
def test_our_sensitivity_is_compared_with_its_interval(answer, side):
    said = say_systems(grid_of(experiment("sconet_mt", R8, 0, answer)), R8)
    assert said.endswith(side)


def test_the_fall_with_imbalance_is_read_in_pairs():
    grid = grid_of(
        experiment("sconet", R2, 0, right),
        experiment("sconet", R16, 0, all_negative),
        experiment("sconet_mt", R2, 0, right),
        experiment("sconet_mt", R16, 0, mostly_right),
    )
    said = say_ratios(grid)
    assert "ScoNet, from 1:1:2 to 1:1:16: published -67.7 points, ours -66.7" in said
    assert "it falls. ScoNet-MT" in said
    assert "it cannot be told from level." in said
    assert "at 4 of 4 ratios; here, of 2 run, it is ahead beyond doubt at 1, behind at 0" in said


def test_no_fall_is_read_from_another_test_side():
    grid = grid_of(
        experiment("sconet", R2, 0, right), experiment("sconet", R16, 0, all_negative, prefix="q")
    )
    assert "nothing follows from the difference" in say_ratios(grid)
    assert "ScoNet-MT was run at 0 ratios" in say_ratios(grid)


def test_experiments_of_another_split_are_left_out_and_named():
    current = experiment("sconet", R8, 0, right)
    stale = experiment("sconet_mt", R8, 0, right)
    stale.metrics["split_sha256"] = "old"
    table = current.predictions.select(variant="label")
    splits = Splits(split=table, proof={}, sha256="s" * 64)
    index = pl.DataFrame({"extraction_key": ["a key"]})
    dataset = Dataset("d" * 64, index, pl.DataFrame(), pl.DataFrame())
    whole = material([current, stale], splits=splits, dataset=dataset)
    grid = combine_experiments(whole)
    assert list(grid.cells) == [("sconet", R8)]
    assert grid.left_out == ("sconet_mt-ratio_1_1_8-seed_0",)
    words = [block.text for block in results_section(whole).blocks if isinstance(block, Text)]
    assert "Left out, of another dataset or split: sconet_mt-ratio_1_1_8-seed_0." in words[0]


def test_seeds_that_were_judged_on_other_sequences_are_refused():
    with pytest.raises(InputError, match="the seeds were judged on other sequences"):
        grid_of(experiment("sconet", R8, 0, right), experiment("sconet", R8, 1, right, prefix="q"))


def test_the_page_holds_the_three_tables_each_with_a_sentence():
    whole = material([experiment("sconet", R8, 0, right)])
    blocks = results_section(whole).blocks
    tables = [place for place, block in enumerate(blocks) if isinstance(block, Table)]
    assert len(tables) == 3
    assert all(isinstance(blocks[place - 1], Text) for place in tables)
    assert "1 of 4 cells of the grid are judged" in blocks[0].text


def test_the_page_names_the_preset_and_what_differs_from_it():
    whole = material([experiment("sconet", R8, 0, right)])
    training = SIZES["tiny"].training.model_dump(mode="json")
    whole.inputs.settings["training"] = training
    assert "Trained with the preset tiny: 80 steps" in results_section(whole).blocks[0].text
    whole.inputs.settings["training"] = training | {"steps": 90}
    said = "Trained with the preset tiny but for steps 90 instead of 80: 90 steps"
    assert said in results_section(whole).blocks[0].text


def test_without_an_evaluation_the_page_says_what_to_run():
    (block,) = results_section(material([])).blocks
    assert isinstance(block, Missing)


def test_the_picture_has_what_was_run_and_the_published_beside_it():
    grid = grid_of(experiment("sconet", R8, 0, mostly_right), experiment("sconet", R2, 0, right))
    axes = draw_grid(grid, unit="sequence").axes
    lines = {line.get_label(): line for line in axes[0].lines}
    assert list(lines["ScoNet"].get_ydata()) == [100.0, 90.0]
    assert "ScoNet-MT" not in lines
    hollow = [line for line in axes[0].lines if line.get_markerfacecolor() == "none"]
    assert sorted(y for line in hollow for y in line.get_ydata()) == [23.7, 51.3, 88.6, 91.4]
    clinical = [line for line in axes[1].lines if line.get_markerfacecolor() == "none"]
    assert [y for line in clinical for y in line.get_ydata()] == [33.2]


def test_the_page_is_the_same_for_the_same_experiments_in_any_order():
    ones = [experiment("sconet", R8, seed, mostly_right) for seed in (0, 1)]
    assert results_section(material(ones)) == results_section(material(ones[::-1]))
