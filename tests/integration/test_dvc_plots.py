"""What `dvc plots` shows: rows that follow from the predictions, and pages that hold them."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from assets.dvc_plots import AXES, collect_rows, write_dvc_plots
from tests.integration.workspaces import ROOT, dvc
from transforms.labels import SCOLIOSIS_LABELS
from transforms.schemas import PREDICTIONS

CELLS = ("sconet-ratio_1_1_2-seed_0", "sconet-ratio_1_1_2-seed_1")


def make_experiments(root: Path, labels: tuple[str, ...] = SCOLIOSIS_LABELS) -> list[Path]:
    random = np.random.default_rng(7)
    for key in CELLS:
        directory = root / key
        for name in ("model", "evaluation"):
            (directory / name).mkdir(parents=True)
        steps = [
            f"{step},{5 / step!r},{5 / step!r},,0.1,{0.5 if step % 100 == 0 else ''}"
            for step in range(1, 1001)
        ]
        header = "step,loss,cross_entropy,triplet,learning_rate,selection_accuracy"
        (directory / "model" / "history.csv").write_text("\n".join([header, *steps]) + "\n")
        rows = []
        for number in range(30):
            chances = random.dirichlet(np.ones(3))
            person = number % 15
            rows.append(
                (
                    f"s{number:02}",
                    f"p{person:02}",
                    labels[person % len(labels)],
                    "test",
                    *chances,
                    SCOLIOSIS_LABELS[int(chances.argmax())],
                )
            )
        table = pl.DataFrame(rows, schema=PREDICTIONS.names, orient="row")
        table.write_parquet(directory / "evaluation" / "predictions.parquet")
    return [root / key for key in CELLS]


def test_rows_follow_from_history_and_predictions(tmp_path: Path) -> None:
    rows = collect_rows(make_experiments(tmp_path))
    assert set(rows) == set(AXES)
    for name, found in rows.items():
        assert {row["experiment"] for row in found} == set(CELLS), name
        assert all(set(AXES[name]) <= set(row) for row in found), name
    for key in CELLS:
        ours = {name: [r for r in found if r["experiment"] == key] for name, found in rows.items()}
        # A participant counts once, however many sequences there are.
        assert sum(int(row["participants"]) for row in ours["confusion"]) == 15
        steps = [row["step"] for row in ours["training_loss"]]
        assert len(steps) <= 200
        assert steps == sorted(steps)
        assert steps[-1] == 1000
        assert [row["step"] for row in ours["selection_accuracy"]] == list(range(100, 1001, 100))
        for question in ("any_abnormality", "positive_vs_rest"):
            points = [row for row in ours["roc"] if row["question"] == question]
            rates = [(row["false_positive_rate"], row["true_positive_rate"]) for row in points]
            assert rates[0] == (0.0, 0.0)
            assert rates[-1] == (1.0, 1.0)
            assert [row["point"] for row in points] == list(range(len(points)))


def test_the_order_and_place_of_experiments_leave_no_trace(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        experiments = make_experiments(tmp_path / name)
        output = tmp_path / name / "report"
        output.mkdir()
        write_dvc_plots(output, experiments if name == "one" else experiments[::-1])
        written.append({p.name: p.read_bytes() for p in sorted((output / "plots").iterdir())})
    assert written[0] == written[1]
    assert len(written[0]) == len(AXES)


def test_a_question_nobody_can_be_asked_has_no_curve(tmp_path: Path) -> None:
    experiments = make_experiments(tmp_path, labels=("neutral", "negative"))
    rows = collect_rows(experiments)
    assert {row["question"] for row in rows["roc"]} == {"any_abnormality"}
    output = tmp_path / "report"
    output.mkdir()
    write_dvc_plots(output, make_experiments(tmp_path / "alike", labels=("negative",)))
    names = {path.stem for path in (output / "plots").iterdir()}
    assert names == set(AXES) - {"roc", "precision_recall"}


@pytest.mark.slow
def test_dvc_draws_every_plot_with_title_and_named_axes(tmp_path: Path) -> None:
    declared: list[dict[str, dict[str, str]]] = yaml.safe_load((ROOT / "dvc.yaml").read_text())[
        "plots"
    ]
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"plots": declared}))
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
    shutil.copytree(ROOT / ".dvc" / "plots", tmp_path / ".dvc" / "plots")
    output = tmp_path / "data" / "report"
    output.mkdir(parents=True)
    write_dvc_plots(output, make_experiments(tmp_path / "data" / "experiments"))
    shown = dvc(tmp_path, "plots", "show")
    assert shown.returncode == 0, shown.stderr
    page = (tmp_path / "dvc_plots" / "index.html").read_text()
    specs = [json.loads(text) for text in re.findall(r"var spec = (\{.*?\});\n", page)]
    expected = {Path(name).stem: options for entry in declared for name, options in entry.items()}
    assert set(expected) == set(AXES)
    assert {(options["x"], options["y"]) for options in expected.values()} == set(AXES.values())
    assert [spec["title"]["text"] for spec in specs] == [o["title"] for o in expected.values()]
    for spec, options in zip(specs, expected.values(), strict=True):
        text = json.dumps({**spec, "data": None})
        assert "<DVC_METRIC" not in text
        assert options["x_label"] in text
        assert options["y_label"] in text
        drawn: list[dict[str, Any]] = spec["data"]["values"]
        computed = {"share", "of_truth", "at"}
        fields = set(re.findall(r'"field": "(\w+)"', text)) - computed
        assert fields <= set(drawn[0]), (options["title"], fields - set(drawn[0]))
        assert {"experiment", "rev"} <= set(drawn[0])
