"""The texts of a release: README, datasheet, audit, model cards, licence notice and citation."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from transforms.audit.checks import Check
from transforms.dual_view.files import RELEASED_CLIPS_NAME
from transforms.release.audit import describe_audit
from transforms.release.card import Values, gather_values
from transforms.release.citation import (
    dump_yaml,
    encode_bibtex,
    encode_citation,
    encode_licence,
    join_creators,
)
from transforms.release.croissant import name_splits
from transforms.release.datasheet import DATASHEET_NAME, render_datasheet
from transforms.release.further_splits import FurtherSplit
from transforms.release.inputs import ReleaseMaterial
from transforms.release.label_words import find_label_words
from transforms.release.markdown import encode_table, render
from transforms.release.models import render_model_card
from transforms.release.schema import CLIPS_TABLE
from transforms.release.settings import ReleaseSettings

_SIZES: Final = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))
_LARGER: Final = "100K<n<1M"
_PAIRS_SHOWN: Final = 100
_CONFIGS: Final = {
    "sequences": "sequences/*.parquet",
    "index": "index.parquet",
    "participants": "participants.parquet",
    "frames": "frames.parquet",
}
# `load_dataset` names a file's rows `train` unless told otherwise, which half of these are not.
_SPLIT_NAME: Final = "full"


def render_documents(
    release: ReleaseSettings,
    material: ReleaseMaterial,
    checks: Sequence[Check],
    further: Mapping[str, Sequence[Check]],
    examples: Sequence[str],
) -> dict[str, bytes]:
    """Return every text of the release by file name.

    Args:
        release: what the release says of itself.
        material: what it is made from.
        checks: what `transforms.release.audit.audit_release` returns.
        further: the same of each further split, by its protocol.
        examples: the names of the example programs that lie in `examples/`.
    """
    values = gather_values(release, material)
    findings = [finding for check in checks for finding in check.findings]
    warnings = [f"{finding.message} ({len(finding.records)})." for finding in findings]
    texts = {
        "README.md": render("README.md.jinja", values | _readme(release, material, examples)),
        DATASHEET_NAME: render_datasheet(values, warnings),
        "splits/audit.md": _render_audit(checks, material, values),
        **{
            f"splits/{split.protocol}/audit.md": _render_audit(
                further[split.protocol], material, values, split
            )
            for split in material.further_splits
        },
        "LICENSE": encode_licence(release),
        "CITATION.cff": encode_citation(release),
    }
    for metrics in material.results:
        experiment = str(metrics["experiment"])
        if card := material.models.get(experiment):
            text = render_model_card(card, metrics, values)
            texts[f"results/{experiment}/model_card.md"] = text
    return {name: text.encode() for name, text in texts.items()}


def _readme(release: ReleaseSettings, material: ReleaseMaterial, examples: Sequence[str]) -> Values:
    configs = _CONFIGS | name_splits(split.protocol for split in material.further_splits)
    if material.clips.height:
        configs |= {CLIPS_TABLE: RELEASED_CLIPS_NAME}
    return {
        "front_matter": _front_matter(release, material, configs),
        "examples": examples,
        "configs": list(configs),
        "split_name": _SPLIT_NAME,
        "creators": join_creators(release),
        "bibtex": encode_bibtex(release),
    }


def _front_matter(
    release: ReleaseSettings, material: ReleaseMaterial, tables: Mapping[str, str]
) -> str:
    """Return the YAML block that the Hugging Face hub and `load_dataset` read."""
    size = next((name for limit, name in _SIZES if material.index.height < limit), _LARGER)
    keyword = find_label_words(material.scheme).keyword
    configs: list[dict[str, Any]] = [  # `Any`: plain YAML values
        {"config_name": name, "data_files": [{"split": _SPLIT_NAME, "path": path}]}
        for name, path in tables.items()
    ]
    configs[0]["default"] = True
    values = {
        "pretty_name": release.title,
        "license": release.licence.lower(),
        "task_categories": ["video-classification"],
        "tags": ["gait", "silhouette", keyword, "pseudonymised"],
        "size_categories": [size],
        "configs": configs,
    }
    return f"---\n{dump_yaml(values)}---\n"


def _render_audit(
    checks: Sequence[Check],
    material: ReleaseMaterial,
    values: Values,
    further: FurtherSplit | None = None,
) -> str:
    rows = [
        {
            "group": check.group,
            "claim": check.claim,
            "looked at": check.reason
            if check.examined is None
            else f"{check.examined} {check.unit}",
            "found": check.status,
        }
        for check in checks
    ]
    pairs = material.near_duplicates.select("first", "second", "kind", "is_mirrored", "distance")
    left = max(pairs.height - _PAIRS_SHOWN, 0)
    return render(
        "audit.md.jinja",
        values
        | {
            "audit": describe_audit(checks, material, further),
            "checks": encode_table(pl.DataFrame(rows)),
            "findings": [finding for check in checks for finding in check.findings],
            "pairs": "" if pairs.is_empty() else encode_table(pairs.head(_PAIRS_SHOWN)),
            "pairs_left": left,
        },
    )
