import dataclasses
import json

import polars as pl
import pytest
import yaml

from transforms.errors import RefusalError
from transforms.release.build import build_release
from transforms.release.settings import ReleaseSettings

LABELS = ["positive", "neutral", "negative"] * 4
PEOPLE = [{"participant_id": f"p{n}c0ffee1", "label": label} for n, label in enumerate(LABELS)]


def _inputs(make_inputs, further, **splits):
    settings = {"splits": {"folds": 2} | splits}
    inputs = make_inputs(recordings=PEOPLE, sides=["train"] * 6 + ["test"] * 6, settings=settings)
    return dataclasses.replace(inputs, release=ReleaseSettings(further_protocols=(further,)))


def test_a_further_protocol_has_its_own_split_proof_and_audit(make_inputs, publish):
    release = publish(_inputs(make_inputs, "k_fold"))
    folder = release / "splits" / "k_fold"
    split = pl.read_parquet(folder / "split.parquet")
    assert set(split["variant"]) == {"fold_1", "fold_2"}
    tested = split.filter(pl.col("side") == "test")
    assert sorted(tested["participant_id"]) == sorted(row["participant_id"] for row in PEOPLE)
    proof = json.loads((folder / "proof.json").read_bytes())
    assert proof["protocol"] == "k_fold"
    assert not any(name.startswith("age_years") for row in proof["balance"] for name in row)
    audit = json.loads((folder / "audit.json").read_bytes())
    assert (audit["protocols"], audit["errors"]) == (["k_fold"], 0)
    assert "protocol\nk_fold, 2 variants" in (folder / "audit.md").read_text()
    # The one that results stand on is as it was.
    assert pl.read_parquet(release / "splits" / "split.parquet")["protocol"][0] == "by_hand"


def test_a_further_split_is_named_wherever_tables_are(make_inputs, publish):
    release = publish(_inputs(make_inputs, "k_fold"))
    readme = (release / "README.md").read_text()
    assert "`splits/k_fold/` holds one more split" in readme
    configs = {c["config_name"]: c for c in yaml.safe_load(readme.split("---\n")[1])["configs"]}
    assert configs["splits_k_fold"]["data_files"][0]["path"] == "splits/k_fold/split.parquet"
    croissant = json.loads((release / "croissant.json").read_bytes())
    assert "splits_k_fold" in [record_set["@id"] for record_set in croissant["recordSet"]]
    facts = json.loads((release / "lineage" / "facts.json").read_bytes())
    assert facts["rows"]["splits/k_fold/split.parquet"] == 24


@pytest.mark.parametrize(
    ("protocol", "splits", "reason"),
    [
        ("k_fold", {"protocol": "k_fold"}, "the release has a split by k_fold already"),
        ("paper_exact", {"ratios": ["ratio_1_1_16"]}, "no split by paper_exact can be made"),
    ],
)
def test_a_split_that_can_not_be_made_is_refused(make_inputs, tmp_path, protocol, splits, reason):
    output = tmp_path / "release"
    output.mkdir()
    with pytest.raises(RefusalError, match=reason) as caught:
        build_release(_inputs(make_inputs, protocol, **splits), output)
    assert "release.further_protocols" in str(caught.value)
    assert list(output.iterdir()) == []
