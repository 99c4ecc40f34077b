"""What the texts of a release say of its data: counts, tables and limits, from the data alone."""

from typing import Any, Final

import polars as pl

from transforms.describe.cohort_table import describe_cohort, describe_sides
from transforms.labels import find_scheme
from transforms.release.inputs import ReleaseMaterial
from transforms.release.label_words import find_label_words
from transforms.release.markdown import encode_table
from transforms.release.participants import (
    AGE_BIN_YEARS,
    HEIGHT_BIN_CM,
    QUASI_IDENTIFIERS,
    WEIGHT_BIN_KG,
    bin_participants,
)
from transforms.release.settings import ReleaseSettings
from transforms.shards.codec import BITS

_SMALLEST_GROUP: Final = 5  # the mean of fewer people says too much about each
_FEW_PEOPLE: Final = 30
_MEASURES: Final = ("age (years)", "height (cm)", "weight (kg)")
_TOTAL: Final = "all"  # the last row of `describe_cohort`
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

Values = dict[str, Any]  # `Any`: whatever a template shows


def gather_values(release: ReleaseSettings, material: ReleaseMaterial) -> Values:
    """Return what the templates of README and datasheet are filled with, by name."""
    facts = material.dataset_manifest["facts"]
    is_binary = facts["codec"] == BITS
    index, frames = material.index, material.frames
    return {
        "release": release,
        "dataset_version": material.dataset_version,
        "label_words": find_label_words(material.scheme),
        "counts": facts["counts"],
        "height_px": _only(index["height_px"]),
        "width_px": _only(index["width_px"]),
        "views": index["view"].unique().sort().to_list(),
        "fps": _only(index["fps"].round(3)),
        "is_binary": is_binary,
        "unpack": _UNPACK[is_binary],
        "cohort": encode_table(_cohort_table(material)),
        "smallest_group": _SMALLEST_GROUP,
        "age_bin": AGE_BIN_YEARS,
        "height_bin": HEIGHT_BIN_CM,
        "weight_bin": WEIGHT_BIN_KG,
        "extraction": material.settings["extraction"],
        "ledger": encode_table(_ledger_table(frames)),
        "dropped": int((frames["status"] == "dropped").sum()),
        "decoded": frames.height,
        "rejects": encode_table(_rejects_table(facts["rejects"])) if facts["rejects"] else "",
        "protocols": material.split["protocol"].unique().sort().to_list(),
        "variants": sorted(material.split["variant"].unique(), key=_by_number),
        "split": encode_table(describe_sides(material.split, material.proof)),
        "further_splits": {
            split.protocol: sorted(split.table["variant"].unique(), key=_by_number)
            for split in material.further_splits
        },
        "results": encode_table(_results_table(material.results)) if material.results else "",
        "experiments": sorted(str(metrics["experiment"]) for metrics in material.results),
        "confidence": f"{material.settings.get('evaluation', {}).get('confidence', 0.95):.0%}",
        "limits": describe_limits(release, material),
        "pairs": material.near_duplicates.height,
        "singled_out": _tell_singled_out(material.participants),
    }


def describe_limits(release: ReleaseSettings, material: ReleaseMaterial) -> list[str]:
    """Return what the data can't do, one sentence each, in Markdown."""
    people, index = material.participants, material.index
    counts = people.group_by("label").len().sort("label")
    few = [f"{label} ({count})" for label, count in counts.iter_rows() if count < _FEW_PEOPLE]
    limits = []
    if release.is_synthetic:
        limits.append(
            "Nobody was filmed: a program drew the walkers and their diagnoses. Results on these "
            "data say nothing about people."
        )
    else:
        limits.append(
            "A silhouette shows clothing, hair and what a person carries as well as their body."
        )
        limits.append(_tell_singled_out(people))
    limits.append("The label is one diagnosis per participant, not a judgement of each walk.")
    if few:
        limits.append(f"Classes with fewer than {_FEW_PEOPLE} participants: {', '.join(few)}.")
    if index["view"].n_unique() == 1:
        limits.append(f"All recordings show one view: {index['view'][0]}.")
    drawn = index["video_sha256"].null_count()
    if drawn:
        limits.append(
            f"{_plural(drawn, 'sequence was', 'sequences were')} not made from a video that the "
            "pipeline saw (`video_sha256` is empty)."
        )
    unknown = people.filter(pl.any_horizontal(pl.col("sex", "age_years").is_null())).height
    if unknown:
        limits.append(
            f"Age or sex of {_plural(unknown, 'participant', 'participants')} is unknown."
        )
    dropped = int((material.frames["status"] == "dropped").sum())
    if dropped:
        limits.append(
            f"{dropped} of {material.frames.height} frames were dropped; sequences may have gaps "
            "(see `frame_index`)."
        )
    return limits


def show_figure(metric: dict[str, Any] | None) -> str:
    """Return a metric with its interval, for a table."""
    if metric is None or metric["value"] is None:
        return "undefined"
    text = f"{metric['value']:.3f}"
    if metric.get("low") is None or metric.get("high") is None:
        return text
    return f"{text} [{metric['low']:.3f}, {metric['high']:.3f}]"


def _plural(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _only(values: pl.Series) -> str:
    return " or ".join(f"{value:g}" for value in values.unique().sort())


def _by_number(variant: str) -> list[int | str]:
    return [int(part) if part.isdigit() else part for part in variant.split("_")]


def _tell_singled_out(participants: pl.DataFrame) -> str:
    """Say how many people are alone with their intervals, which intervals can't rule out."""
    groups = bin_participants(participants).group_by(*QUASI_IDENTIFIERS).len()
    alone = groups.filter(pl.col("len") == 1).height
    return (
        f"With their sex and intervals of age, stature and weight, {alone} of "
        f"{participants.height} participants stand alone."
    )


def _cohort_table(material: ReleaseMaterial) -> pl.DataFrame:
    table = describe_cohort(material.participants, material.index).drop("sites")
    is_small = pl.col("participants") < _SMALLEST_GROUP
    hidden = table.filter(is_small, pl.col("label") != _TOTAL)["participants"].sum()
    if 0 < hidden < _SMALLEST_GROUP:  # else the mean of all would give theirs away
        is_small |= pl.col("label") == _TOTAL
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
    return pl.DataFrame(rejects).select("stage", pl.col("reason_code").alias("why"), "recordings")


def _results_table(results: tuple[dict[str, Any], ...]) -> pl.DataFrame:
    rows = []
    for metrics in sorted(results, key=lambda metrics: str(metrics["experiment"])):
        unit = metrics["units"]["participant"]
        question = find_scheme(unit["labels"]).screening
        names = {
            "accuracy": "accuracy",
            "macro F1": "macro_f1",
            "sensitivity": f"{question}/sensitivity",
            "specificity": f"{question}/specificity",
        }
        figures = {title: show_figure(unit["metrics"].get(name)) for title, name in names.items()}
        rows.append({"experiment": metrics["experiment"], "tested": unit["participants"]} | figures)
    return pl.DataFrame(rows)
