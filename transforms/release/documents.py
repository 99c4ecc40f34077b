"""The texts of a release: data card, README, licence notice and citation, filled from the data."""

from pathlib import Path
from typing import Any, Final

import polars as pl
import yaml

from transforms.describe.cohort_table import describe_cohort, describe_split
from transforms.release.inputs import ReleaseMaterial
from transforms.release.participants import AGE_BIN_YEARS, HEIGHT_BIN_CM, WEIGHT_BIN_KG
from transforms.settings import ReleaseSettings
from transforms.shards.codec import BITS

_TEMPLATES: Final = Path(__file__).parent / "templates"
_SMALLEST_GROUP: Final = 5  # the mean of fewer people says too much about each
_MEASURES: Final = ("age (years)", "height (cm)", "weight (kg)")
_UNPACK: Final = {
    True: """\
planes = packed.reshape(-(-height // 8), width, frames)
silhouettes = np.unpackbits(planes, axis=0, count=height)
silhouettes *= np.uint8(255)
""",
    False: """\
groups = -(-height // 8)
size = groups * width * frames
planes = packed[: 2 * size].reshape(2, groups, width, frames)
bits, grey = np.unpackbits(planes, axis=1, count=height)
silhouettes = bits * np.uint8(255)
silhouettes[grey == 1] = packed[2 * size :]
""",
}
_LICENCES: Final = {
    "CC0-1.0": "Creative Commons Zero v1.0 Universal",
    "CC-BY-4.0": "Creative Commons Attribution 4.0 International",
    "CC-BY-SA-4.0": "Creative Commons Attribution-ShareAlike 4.0 International",
    "CC-BY-NC-4.0": "Creative Commons Attribution-NonCommercial 4.0 International",
    "CC-BY-NC-SA-4.0": "Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International",
    "CC-BY-NC-ND-4.0": "Creative Commons Attribution-NonCommercial-NoDerivatives 4.0 International",
}
_SIZES: Final = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))
_LARGER: Final = "100K<n<1M"


def render_documents(release: ReleaseSettings, material: ReleaseMaterial) -> dict[str, bytes]:
    """Return every text of the release by file name."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
    )
    is_binary = material.dataset_manifest["facts"]["codec"] == BITS
    values = _card_values(release, material) | {
        "release": release,
        "front_matter": _front_matter(release, material.index.height),
        "is_binary": is_binary,
        "unpack": _UNPACK[is_binary],
    }
    texts = {
        "data_card.md": environment.get_template("data_card.md.jinja").render(values),
        "README.md": environment.get_template("README.md.jinja").render(values),
        "LICENSE": _licence_notice(release),
        "CITATION.cff": _citation(release),
    }
    return {name: text.encode() for name, text in texts.items()}


def _front_matter(release: ReleaseSettings, sequence_count: int) -> str:
    """Return the YAML block that the Hugging Face hub and `load_dataset` read."""
    size = next((name for limit, name in _SIZES if sequence_count < limit), _LARGER)
    values = {
        "pretty_name": release.title,
        "license": release.licence.lower(),
        "task_categories": ["video-classification"],
        "tags": ["gait", "silhouette", "scoliosis", "pseudonymised"],
        "size_categories": [size],
        "configs": [
            {"config_name": "sequences", "data_files": "sequences/*.parquet", "default": True}
        ],
    }
    return f"---\n{_yaml(values)}---\n"


def _card_values(release: ReleaseSettings, material: ReleaseMaterial) -> dict[str, Any]:
    facts = material.dataset_manifest["facts"]
    evaluation = material.settings.get("evaluation", {})
    return {
        "dataset_version": material.dataset_version,
        "counts": facts["counts"],
        "height_px": _only(material.index["height_px"]),
        "width_px": _only(material.index["width_px"]),
        "views": material.index["view"].unique().sort().to_list(),
        "cohort": _table(_cohort_table(material)),
        "smallest_group": _SMALLEST_GROUP,
        "age_bin": AGE_BIN_YEARS,
        "height_bin": HEIGHT_BIN_CM,
        "weight_bin": WEIGHT_BIN_KG,
        "extraction": material.settings["extraction"],
        "ledger": _table(_ledger_table(material.frames)),
        "rejects": _table(_rejects_table(facts["rejects"])) if facts["rejects"] else "",
        "split": _table(describe_split(material.split)),
        "results": _table(_results_table(material.results)) if material.results else "",
        "confidence": f"{evaluation.get('confidence', 0.95):.0%}",
        "limits": list(_limits(material)),
    }


def _only(values: pl.Series) -> str:
    return " or ".join(str(value) for value in values.unique().sort())


def _cohort_table(material: ReleaseMaterial) -> pl.DataFrame:
    table = describe_cohort(material.participants, material.index).drop("sites")
    is_small = pl.col("participants") < _SMALLEST_GROUP
    return table.with_columns(
        pl.when(is_small).then(pl.lit("")).otherwise(pl.col(name)).alias(name)
        for name in _MEASURES
        if name in table.columns
    )


def _ledger_table(frames: pl.DataFrame) -> pl.DataFrame:
    return (
        frames.group_by("status", pl.col("reason").fill_null(""))
        .agg(frames=pl.len())
        .sort(["frames", "status", "reason"], descending=[True, False, False])
    )


def _rejects_table(rejects: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rejects).select("stage", "reason_code", "recordings")


def _results_table(results: tuple[dict[str, Any], ...]) -> pl.DataFrame:
    names = {
        "accuracy": "accuracy",
        "macro F1": "macro_f1",
        "sensitivity": "any_abnormality/sensitivity",
        "specificity": "any_abnormality/specificity",
    }
    rows = []
    for metrics in sorted(results, key=lambda metrics: str(metrics["experiment"])):
        unit = metrics["units"]["participant"]
        figures = {title: _figure(unit["metrics"].get(name)) for title, name in names.items()}
        rows.append({"experiment": metrics["experiment"], "tested": unit["participants"]} | figures)
    return pl.DataFrame(rows)


def _figure(metric: dict[str, Any] | None) -> str:
    if metric is None or metric["value"] is None:
        return "undefined"
    text = f"{metric['value']:.3f}"
    if metric.get("low") is None or metric.get("high") is None:
        return text
    return f"{text} [{metric['low']:.3f}, {metric['high']:.3f}]"


def _limits(material: ReleaseMaterial) -> list[str]:
    people, index = material.participants, material.index
    counts = people.group_by("label").len().sort("label")
    few = [f"{label} ({count})" for label, count in counts.iter_rows() if count < 30]
    limits = [
        "A silhouette shows clothing, hair and what a person carries as well as their body.",
        "The label is one diagnosis per participant, not a judgement of each walk.",
    ]
    if few:
        limits.append(f"Classes with fewer than 30 participants: {', '.join(few)}.")
    if index["view"].n_unique() == 1:
        limits.append(f"All recordings show one view: {index['view'][0]}.")
    drawn = index["video_sha256"].null_count()
    if drawn:
        limits.append(
            f"{drawn} sequences were never a video: a program drew them (`video_sha256` is empty)."
        )
    unknown = people.filter(pl.any_horizontal(pl.col("sex", "age_years").is_null())).height
    if unknown:
        limits.append(f"Age or sex of {unknown} participant(s) is unknown.")
    dropped = int((material.frames["status"] == "dropped").sum())
    if dropped:
        limits.append(
            f"{dropped} of {material.frames.height} frames were dropped; sequences may have gaps "
            "(see `frame_index`)."
        )
    return limits


def _licence_notice(release: ReleaseSettings) -> str:
    name = _LICENCES.get(release.licence, release.licence)
    return (
        f"{release.title}, version {release.version}\n"
        f"by {', '.join(release.creators)}\n\n"
        f"The data in this directory are licensed under: {name}\n"
        f"SPDX-License-Identifier: {release.licence}\n"
        f"Full text: https://spdx.org/licenses/{release.licence}.html\n"
    )


def _citation(release: ReleaseSettings) -> str:
    return _yaml(
        {
            "cff-version": "1.2.0",
            "message": "If you use these data, please cite them as below.",
            "type": "dataset",
            "title": release.title,
            "version": release.version,
            "license": release.licence,
            "authors": [{"name": name} for name in release.creators],
        }
    )


def _yaml(values: dict[str, Any]) -> str:
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


def _table(frame: pl.DataFrame) -> str:
    """Return a Markdown table."""
    lines = [list(frame.columns), ["---"] * frame.width]
    lines += [[_cell(value) for value in row] for row in frame.iter_rows()]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _cell(value: object) -> str:
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")
