import html
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from transforms.describe.gather import ReportInputs
from transforms.describe.report import write_report
from transforms.files import canonical_json
from transforms.manifest import write_manifest
from transforms.schemas import CLIP_PAIRS, CLIP_REJECTS, CLIPS
from transforms.shards.parquet import write_table

VOID = {"meta", "img", "link", "br"}


class Page(HTMLParser):
    """What an assistive technology or a browser would find in the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.headings: list[tuple[int, str]] = []
        self.captions = 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if self.open and re.fullmatch(r"h[1-6]", self.open[-1]):
            self.headings.append((int(self.open[-1][1]), data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def write(inputs: ReportInputs, output: Path) -> str:
    output.mkdir(exist_ok=True)
    write_report(inputs, output)
    return (output / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def report(report_inputs: ReportInputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("report")
    write_report(report_inputs, output)
    return output


@pytest.fixture(scope="session")
def text(report: Path) -> str:
    return (report / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def page(text: str) -> Page:
    return Page(text)


def test_the_page_asks_for_nothing_from_outside(page: Page, text: str) -> None:
    links = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data", "poster")
    ]
    assert links
    assert all(link.startswith(("#", "data:image/")) for link in links if link)
    assert not page.all("script") + page.all("link") + page.all("iframe")
    assert "default-src 'none'" in text
    assert "url(" not in text
    assert "@import" not in text


def test_the_page_is_well_formed(page: Page) -> None:
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [str(attributes["href"])[1:] for attributes in page.all("a")]
    targets += [
        str(attributes["aria-labelledby"])
        for _, attributes in page.tags
        if "aria-labelledby" in attributes
    ]
    assert set(targets) <= set(ids)


def test_the_page_can_be_read_without_seeing_it(page: Page) -> None:
    assert all(image.get("alt") for image in page.all("img"))
    assert len(page.all("caption")) == len(page.all("table")) > 0
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert page.all("html") == [{"lang": "en"}]


def test_text_from_data_is_escaped(page: Page, text: str) -> None:
    assert "<script" not in text
    assert "onerror=alert(2)>" not in text
    assert "<b>141</b>" not in text
    assert html.escape("p<script>alert('1')</script>&", quote=False) in text.replace("&#39;", "'")
    assert "&lt;b&gt;141&lt;/b&gt;" in text
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


def test_every_section_is_there(page: Page) -> None:
    sections = [title for level, title in page.headings if level == 2]
    assert [title.split(":")[0] for title in sections] == [
        "Summary",
        "Cohort",
        "Intake",
        "Extraction",
        "Splits",
        "Audit",
        "Results",
        "Experiments",
        "Where the models look",
        "Confounders",
        "How to read this, and its limits",
        "Lineage",
    ]


def test_every_claim_of_the_hand_made_run_is_judged(text: str) -> None:
    claims = re.findall(r'class="status">([^<]*)</span>\s*<span><strong>([^<]*)', text)
    assert len(claims) >= 8
    # Its few made-up people are too few to probe confounders on.
    unchecked = [claim for status, claim in claims if status == "not checked"]
    assert all("more than" in claim and " tell" in claim for claim in unchecked), unchecked
    # Its training sets by hand are no class ratio, which the audit sees.
    failed = [claim for status, claim in claims if status == "fails"]
    assert failed == ["The audit found no leak between the sides and no broken promise."]
    assert {status for status, _ in claims} == {"holds", "caution", "not checked", "fails"}


def test_intervals_and_positive_sets_are_shown(text: str) -> None:
    assert "0.75 [0.54, 0.89]" in text
    assert "any_abnormality: positive + neutral" in text
    assert "positive_vs_rest/auprc per participant is undefined: no neutral in the test set" in text


def test_the_published_convention_stands_in_its_box_only(text: str) -> None:
    before, _, box = text.partition('<aside class="box">')
    inside, _, after = box.partition("</aside>")
    assert "For comparison with the literature only" in inside
    assert "as_published_2024" in inside
    assert "as_published_2024" not in before + after


def test_the_page_holds_no_path_of_the_machine(report: Path, report_inputs: ReportInputs) -> None:
    assert report_inputs.dataset_dir is not None
    root = str(report_inputs.dataset_dir.parents[1])
    for name in ("report.html", "summary.json"):
        assert root not in (report / name).read_text(encoding="utf-8")


def test_the_summary_is_flat_numbers(report: Path) -> None:
    summary = json.loads((report / "summary.json").read_bytes())
    assert all(isinstance(value, int | float) for value in summary.values())
    assert summary["dataset/participants"] == 9
    assert summary["extraction/score_mean_iou"] == 0.912
    name = "sconet-ratio_1_1_2-seed_0/participant/any_abnormality/sensitivity"
    assert summary[name] == 0.75
    assert not [key for key in summary if key.endswith("positive_vs_rest/auprc")]


@pytest.mark.slow
def test_same_input_gives_same_bytes(
    report: Path, report_inputs: ReportInputs, tmp_path: Path
) -> None:
    write_report(report_inputs, tmp_path)
    for name in ("report.html", "summary.json"):
        assert (tmp_path / name).read_bytes() == (report / name).read_bytes()


def test_a_report_of_nothing_says_how_to_make_each_part(tmp_path: Path) -> None:
    text = write(ReportInputs(title="Nothing & no one"), tmp_path)
    page = Page(text)
    assert page.open == []
    assert "<h1>Nothing &amp; no one</h1>" in text
    for stage in (
        "intake_register",
        "silhouette_sequences",
        "silhouette_shards",
        "participant_splits",
        "trained_model",
    ):
        assert f"gaitworks run {stage}" in text
    assert json.loads((tmp_path / "summary.json").read_bytes()) == {}


def test_a_trained_model_that_was_not_judged_says_so(
    report_inputs: ReportInputs, tmp_path: Path
) -> None:
    source = report_inputs.experiment_dirs[0]
    shutil.copytree(source / "model", tmp_path / source.name / "model")
    inputs = ReportInputs(title="t", experiment_dirs=[tmp_path / source.name])
    text = write(inputs, tmp_path / "output")
    assert "gaitworks run model_evaluation" in text
    assert "Learning curves" in text


def test_results_of_another_dataset_version_are_called_out(
    report_inputs: ReportInputs, without: Callable[..., ReportInputs], tmp_path: Path
) -> None:
    source = report_inputs.experiment_dirs[0]
    metrics = json.loads((source / "evaluation" / "metrics.json").read_bytes())
    folder = tmp_path / source.name / "evaluation"
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_bytes(canonical_json(metrics | {"dataset_version": "old"}))
    inputs = without(experiment_dirs=[tmp_path / source.name], intake_dirs=[], extraction_dirs=[])
    text = write(inputs, tmp_path / "output")
    claim = "Every result comes from this dataset version and this split."
    assert re.search(rf'"status">fails</span>\s*<span><strong>{claim}', text)
    assert f"From another version: {source.name}." in text


def test_a_wrong_person_and_poor_masks_fail(
    report_inputs: ReportInputs, without: Callable[..., ReportInputs], tmp_path: Path
) -> None:
    assert report_inputs.score_path is not None
    score = json.loads(report_inputs.score_path.read_bytes())
    path = tmp_path / "score.json"
    path.write_bytes(canonical_json(score | {"wrong": 1, "mean_iou": 0.7}))
    inputs = without(score_path=path, experiment_dirs=[], splits_dir=None, contact_sheet_limit=1)
    text = write(inputs, tmp_path / "output")
    assert text.count('class="status">fails</span>') == 2
    assert "1 wrong" in text


def test_contact_sheets_left_out_are_counted_and_can_be_drawn(
    without: Callable[..., ReportInputs], tmp_path: Path
) -> None:
    inputs = without(
        contact_sheet_limit=2, intake_dirs=[], experiment_dirs=[], splits_dir=None, dataset_dir=None
    )
    text = html.unescape(write(inputs, tmp_path))
    assert "2 of 9 recordings" in text
    assert text.count("Evenly sampled silhouettes of recording") == 4  # alt and its group's label
    assert "draw_recording_sheet(batch, " in text


def test_a_real_cohort_has_no_truth_to_boast_of(
    without: Callable[..., ReportInputs], tmp_path: Path
) -> None:
    inputs = without(score_path=None, experiment_dirs=[], splits_dir=None, contact_sheet_limit=1)
    text = write(inputs, tmp_path)
    assert "There is no ground truth for these recordings" in text
    assert "synthetic" not in text.partition("<main>")[2].lower().replace(
        "synthetic gait silhouettes", ""
    )


def test_only_a_cohort_that_two_cameras_filmed_has_a_section_on_clips(
    report_inputs: ReportInputs, text: str, tmp_path: Path
) -> None:
    assert "Two views: clips" not in text
    clips = tmp_path / "clips"
    clips.mkdir()
    for name, schema in (("clips", CLIPS), ("pairs", CLIP_PAIRS), ("rejects", CLIP_REJECTS)):
        write_table(schema.empty_table(), clips / f"{name}.parquet")
    write_manifest(clips, kind="dual_view_clips", facts={})
    alone = ReportInputs("t", report_inputs.intake_dirs, dataset_dir=report_inputs.dataset_dir)
    before = write(alone, tmp_path / "without")
    assert write(replace(alone, clips_dir=clips), tmp_path / "with") == before

    intake = tmp_path / "batch_001"
    shutil.copytree(report_inputs.intake_dirs[0], intake)
    recordings = pl.read_parquet(intake / "recordings.parquet")
    recordings.with_columns(sync_group=pl.lit("walk")).write_parquet(intake / "recordings.parquet")
    page = write(replace(alone, intake_dirs=[intake]), tmp_path / "uncut")
    assert "Two views: clips" in page
    assert "gaitworks run dual_view_clips" in page
