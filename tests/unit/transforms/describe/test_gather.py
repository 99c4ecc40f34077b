import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from transforms.describe.gather import ReportInputs, gather
from transforms.errors import IntegrityError
from transforms.files import canonical_json


def test_directories_that_do_not_exist_are_missing_parts(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    material = gather(
        ReportInputs(
            title="t",
            intake_dirs=[nowhere],
            extraction_dirs=[nowhere],
            dataset_dir=nowhere,
            splits_dir=nowhere,
            score_path=nowhere / "score.json",
            experiment_dirs=[nowhere],
        )
    )
    assert (material.intake, material.extraction, material.dataset) == (None, None, None)
    assert (material.splits, material.score, material.experiments) == (None, None, ())
    assert material.directories == ()


def test_all_batches_are_read_whatever_their_order(
    report_inputs: ReportInputs, without: Callable[..., ReportInputs]
) -> None:
    backwards = without(
        intake_dirs=report_inputs.intake_dirs[::-1],
        extraction_dirs=report_inputs.extraction_dirs[::-1],
        experiment_dirs=report_inputs.experiment_dirs[::-1],
    )
    one, other = gather(report_inputs), gather(backwards)
    assert one.extraction is not None
    assert other.extraction is not None
    assert one.extraction.frames.equals(other.extraction.frames)
    assert one.extraction.frames["batch_id"].n_unique() == 2
    assert [cell.name for cell in one.experiments] == [cell.name for cell in other.experiments]


def test_a_score_without_truth_counts_as_none(
    tmp_path: Path, without: Callable[..., ReportInputs]
) -> None:
    path = tmp_path / "score.json"
    path.write_bytes(canonical_json({"available": False}))
    material = gather(without(score_path=path))
    assert material.score is None
    assert not material.is_synthetic


@pytest.mark.parametrize("damage", ["remove", "truncate"])
def test_a_published_directory_without_its_table_is_an_error(
    damage: str, tmp_path: Path, report_inputs: ReportInputs, without: Callable[..., ReportInputs]
) -> None:
    copy = tmp_path / "batch_001"
    shutil.copytree(report_inputs.extraction_dirs[0], copy)
    table = copy / "frames.parquet"
    if damage == "remove":
        table.unlink()
    else:
        table.write_bytes(table.read_bytes()[:100])
    with pytest.raises(IntegrityError, match=r"batch_001/frames\.parquet"):
        gather(without(extraction_dirs=[copy]))


@pytest.mark.parametrize("text", ["[]", "{", ""])
def test_an_unreadable_score_is_an_error(
    text: str, tmp_path: Path, without: Callable[..., ReportInputs]
) -> None:
    path = tmp_path / "score.json"
    path.write_text(text)
    with pytest.raises(IntegrityError, match=r"score\.json"):
        gather(without(score_path=path))
