"""The report: one self-contained HTML page, and its headline figures as `summary.json`.

The page asks for nothing from anywhere, holds no raw frame and no clock, and is the same bytes for
the same inputs. What it says is in the section modules, how it looks in `templates/`.
"""

from pathlib import Path
from typing import Any, Final

from transforms.describe.audit_section import audit_section
from transforms.describe.clips_section import clips_section, has_two_views
from transforms.describe.closing_sections import lineage_section, reading_section
from transforms.describe.confounder_section import confounder_section, summarise_confounders
from transforms.describe.data_sections import cohort_section, extraction_section, intake_section
from transforms.describe.dual_view_section import dual_view_section
from transforms.describe.experiment_section import experiment_section
from transforms.describe.explanation_section import explanation_section
from transforms.describe.gather import Material, ReportInputs, gather
from transforms.describe.headline_section import headline_section
from transforms.describe.rendering import load_template
from transforms.describe.results_section import results_section
from transforms.describe.split_section import split_section
from transforms.files import canonical_json
from transforms.labels import SCOLIOSIS, SPINAL_DEFORMITY

__all__ = ["ReportInputs", "write_report"]

REPORT_NAME: Final = "report.html"
CONFOUNDERS_NAME: Final = "confounders.json"
SUMMARY_NAME: Final = "summary.json"
# Each kind of cohort has published tables of its own.
_OF_OTHER_KINDS: Final = {
    SCOLIOSIS.name: (dual_view_section,),
    SPINAL_DEFORMITY.name: (results_section,),
}
_SECTIONS: Final = (
    headline_section,
    cohort_section,
    intake_section,
    extraction_section,
    clips_section,
    split_section,
    audit_section,
    results_section,
    dual_view_section,
    experiment_section,
    explanation_section,
    confounder_section,
    reading_section,
    lineage_section,
)


def write_report(inputs: ReportInputs, output: Path) -> None:
    """Write `report.html` and `summary.json` into an existing directory.

    A part that has not been made yet gives a section that says which command makes it.

    Args:
        inputs: where the parts lie.
        output: an existing directory.

    Raises:
        IntegrityError: a published part lacks a file of its contract.
    """
    material = gather(inputs)
    left_out = set(_OF_OTHER_KINDS[material.scheme.name])
    if not has_two_views(material):
        left_out.add(clips_section)
    sections = tuple(describe(material) for describe in _SECTIONS if describe not in left_out)
    page = load_template("report.html.jinja").render(title=inputs.title, sections=sections)
    (output / REPORT_NAME).write_text(page, encoding="utf-8")
    if material.confounders is not None:
        (output / CONFOUNDERS_NAME).write_bytes(canonical_json(material.confounders))
    (output / SUMMARY_NAME).write_bytes(canonical_json(summarise(material)))


def summarise(material: Material) -> dict[str, Any]:
    """Return the headline figures by name, flat, for `dvc metrics show`; none is undefined."""
    figures: dict[str, Any] = {}  # `Any`: whole and real numbers
    if material.dataset is not None:
        index = material.dataset.index
        figures["dataset/participants"] = index["participant_id"].n_unique()
        figures["dataset/sequences"] = index.height
        figures["dataset/silhouettes"] = int(index["frame_count"].sum())
    if material.extraction is not None:
        frames = material.extraction.frames
        kept = int((frames["status"] == "kept").sum())
        figures["extraction/frames_kept"] = kept
        figures["extraction/frames_dropped"] = frames.height - kept
        for verdict, count in material.extraction.recordings.group_by("verdict").len().iter_rows():
            figures[f"extraction/recordings_{verdict}"] = count
    if material.score is not None:
        for name in ("mean_iou", "right", "wrong", "quarantined"):
            figures[f"extraction/score_{name}"] = material.score[name]
    for metrics in material.judged:
        for name, found in metrics["units"]["participant"]["metrics"].items():
            if found["value"] is not None:
                figures[f"{metrics['experiment']}/participant/{name}"] = found["value"]
    if material.confounders is not None:
        figures |= summarise_confounders(material.confounders)
    return figures
