"""A walk read as clips for a prediction: as the dataset's clips of the same walk are judged."""

import shutil
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from tests.unit.training.dual_view_cohort import SMALL, make_cohort
from training.card_file import read_card
from training.reading import open_reader
from training.wish import ModelPlace, Wish
from transforms.dual_view.alignment import Estimate
from transforms.errors import InputError, IntegrityError, RefusalError, SettingsError
from transforms.files import canonical_json
from transforms.settings import ClipSettings
from transforms.shards.reader import open_dataset
from transforms.synth.sequence_plan import Planted

DIRECTIONS = {"front": "towards", "side": "right_to_left"}
FEW = SMALL.model_copy(update={"epochs": 1})


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return make_cohort(
        tmp_path_factory.mktemp("pairs"), asd=6, planted=Planted("asd", "side"), folds=2
    )


@pytest.fixture(scope="module")
def trained(cohort):
    """Models after one epoch, with what evaluation says of their test side."""
    jobs = {name: cohort.train(name, "fold_1", FEW) for name in ("logit_mean", "single_side")}
    for job in jobs.values():
        cohort.judge(job)
    return jobs


def open_pair(cohort, sync_group):
    """Return both views of a walk as extraction would have given them, and the declared offset."""
    clips = pl.read_parquet(cohort.folder / "clips" / "clips.parquet")
    clip = clips.filter(pl.col("sync_group") == sync_group).row(0, named=True)
    dataset = open_dataset(cohort.folder / "data")
    (ledger,) = (cohort.folder / "data" / "frames").glob("*.parquet")
    frames = pl.read_parquet(ledger)
    walks = []
    for view in ("front", "side"):
        name = clip[f"{view}_sequence_id"]
        rows = frames.filter(pl.col("recording_id") == name).sort("frame_index")
        kept = np.flatnonzero(rows["sequence_index"].is_not_null().to_numpy())
        pts_s = rows["pts_s"].to_numpy()
        boxes = rows.select("x0", "y0", "x1", "y1").to_numpy()
        walks.append(
            SimpleNamespace(
                final=SimpleNamespace(pts_s=pts_s, kept_frames=kept.astype(np.int32), boxes=boxes),
                file=f"{view}.mp4",
                facts=SimpleNamespace(fps=30.0, sha256=name),
                found=SimpleNamespace(measures={"direction": DIRECTIONS[view]}),
                silhouettes=dataset.read(name),
                times_s=pts_s[kept],
            )
        )
    return walks, clip["offset_s"]


def cut_short(walk, count):
    """Return what of a walk belongs to its first kept frames."""
    final = SimpleNamespace(**vars(walk.final) | {"kept_frames": walk.final.kept_frames[:count]})
    return {
        "final": final,
        "silhouettes": walk.silhouettes[:count],
        "times_s": walk.times_s[:count],
    }


def reader_of(
    cohort, job, video_count, *, offset_s=None, view="unknown", directory=None, stride_s=1.0
):
    place = ModelPlace(directory or job.output, (), cohort.folder / "data", True, cohort.folder)
    wish = Wish(view, offset_s, 60, ClipSettings(frames=3, duration_s=9.0, stride_s=stride_s))
    return open_reader(read_card(place.directory), place, wish, video_count)


@pytest.mark.slow
def test_a_pair_is_judged_and_explained_as_evaluation_judges_its_walk(cohort, trained):
    job = trained["logit_mean"]
    row = pl.read_parquet(cohort.judged(job) / "predictions.parquet").row(0, named=True)
    clips = pl.read_parquet(cohort.judged(job) / "clip_predictions.parquet")
    walks, offset_s = open_pair(cohort, row["sequence_id"])
    reading = reader_of(cohort, job, 2, offset_s=offset_s).read(walks)
    judged = reading.judge()
    assert judged.whole.tolist() == pytest.approx([row["p_non_asd"], row["p_asd"]], abs=1e-12)
    expected = clips.filter(pl.col("sequence_id") == row["sequence_id"]).sort("clip_id")
    assert len(judged.windows) == expected.height == 2
    assert np.array_equal(judged.windows[:, 1], expected["p_asd"].to_numpy())
    assert judged.middles_s[1] - judged.middles_s[0] == pytest.approx(1.0)
    assert judged.frames == (16, 16)
    described = reading.describe()["clips"]
    assert described["alignment"] == {
        "offset_s": offset_s,
        "source": "declared",
        "confidence": None,
    }
    assert described["duration_s"] == 1.0  # as the model was trained, whatever is set now
    explained = reading.explain(judged)
    assert [one.maps.view for one in explained] == ["front", "side"]
    assert sum(one.weight for one in explained) == pytest.approx(1)
    assert all("of the dataset" in one.reference.words for one in explained)
    assert explained[0].frames == 16


@pytest.mark.slow
def test_a_model_of_one_view_reads_one_video(cohort, trained):
    job = trained["single_side"]
    row = pl.read_parquet(cohort.judged(job) / "predictions.parquet").row(0, named=True)
    (front, side), _ = open_pair(cohort, row["sequence_id"])
    reading = reader_of(cohort, job, 1, view="side").read([side])
    assert reading.describe()["clips"]["alignment"] is None
    judged = reading.judge()
    assert judged.whole.sum() == pytest.approx(1)
    (explained,) = reading.explain(judged)
    assert (explained.maps.view, explained.weight) == ("side", 1.0)
    with pytest.raises(SettingsError, match="looks at the side view only"):
        reader_of(cohort, job, 1, view="front")
    with pytest.raises(SettingsError, match=r"reads 1 video\(s\).*give only the side view"):
        reader_of(cohort, job, 2)
    with pytest.raises(RefusalError, match=r"front\.mp4: .*not show the side view") as raised:
        reader_of(cohort, job, 1).read([front])
    assert "give the side view, or name another" in str(raised.value)
    short = SimpleNamespace(**vars(side) | cut_short(side, 20))
    with pytest.raises(RefusalError, match=r"the walk lasts \d\.\d\d s") as raised:
        reader_of(cohort, job, 1).read([short])
    assert "views" not in str(raised.value)
    # Clips that overlap share frames: each is judged once or more, and counts once.
    every = reader_of(cohort, job, 1, stride_s=0.5).read([side])
    judged = every.judge()
    assert judged.frames == (len(np.unique([clip.side for clip in every.clips])),)
    assert judged.frames[0] < 8 * len(judged.windows)
    (explained,) = every.explain(judged)
    assert explained.frames == judged.frames[0]


@pytest.mark.slow
def test_videos_that_do_not_go_together_are_refused(cohort, trained):
    job = trained["logit_mean"]
    row = pl.read_parquet(cohort.judged(job) / "predictions.parquet").row(0, named=True)
    (front, side), _ = open_pair(cohort, row["sequence_id"])
    with pytest.raises(RefusalError, match="does not show the front view") as raised:
        reader_of(cohort, job, 2).read([side, front])
    assert "give the front view first, then the side view" in str(raised.value)
    assert str(raised.value).startswith("side.mp4")
    assert "one who walks from right to left through the picture" in str(raised.value)
    # A little more than two seconds in common: too little to tell one step from the next.
    short = SimpleNamespace(**vars(side) | cut_short(side, 20))
    with pytest.raises(RefusalError, match="how the two videos lie to each other") as raised:
        reader_of(cohort, job, 2).read([front, short])
    assert "--offset" in str(raised.value)
    with pytest.raises(RefusalError, match="no clip of 1 s is whole"):
        reader_of(cohort, job, 2, offset_s=30.0).read([front, side])
    # It stands still, as far as it goes: its way does not tell that it is one video given twice.
    still = SimpleNamespace(**vars(side) | {"found": SimpleNamespace(measures={})})
    with pytest.raises(InputError, match="both videos are the same file"):
        reader_of(cohort, job, 2, offset_s=0.0).read([still, still])
    with pytest.raises(SettingsError, match=r"reads 2 video\(s\)"):
        reader_of(cohort, job, 1)
    with pytest.raises(SettingsError, match="the front and the side view"):
        reader_of(cohort, job, 2, view="side")


@pytest.mark.slow
def test_who_states_a_wrong_offset_is_not_told_to_state_one(cohort, trained, monkeypatch):
    lags_s = np.array([0.0, 0.4])
    sure = Estimate(0.4, 0.99, 0.9, lags_s, support=np.array([0.0, 1.0]))
    monkeypatch.setattr("transforms.dual_view.cut.estimate_offset", lambda *_: sure)
    job = trained["logit_mean"]
    row = pl.read_parquet(cohort.judged(job) / "predictions.parquet").row(0, named=True)
    walks, _ = open_pair(cohort, row["sequence_id"])
    with pytest.raises(RefusalError, match="the motion contradicts --offset") as raised:
        reader_of(cohort, job, 2, offset_s=0.0).read(walks)
    assert "leave it out to have it estimated" in str(raised.value)
    assert str(raised.value).startswith("front.mp4, side.mp4")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"input": {"frames": 8}}, IntegrityError, "does not say what clips it reads"),
        ({"input": []}, IntegrityError, "does not say what clips it reads"),
        ({"dual_view": {"input": "rgb"}}, SettingsError, "reads pictures of people"),
        ({"dual_view": {"depth": 3}}, IntegrityError, "settings that this version does not know"),
        ({"dual_view": {"depths": [65, 3, 3, 3]}}, IntegrityError, "settings that this version"),
        ({"dual_view": {"width": 4097}}, IntegrityError, "settings that this version"),
        ({"labels": ["a"]}, IntegrityError, "other classes apart"),
        ({"weights_sha256": "0"}, IntegrityError, "the weights are damaged"),
    ],
)
def test_a_card_that_is_wrong_is_refused(cohort, trained, tmp_path, change, kind, words):
    job = trained["logit_mean"]
    directory = tmp_path / "model"
    shutil.copytree(job.output, directory)
    card = read_card(directory)
    (directory / "model.json").write_bytes(canonical_json(card | change))
    with pytest.raises(kind, match=words):
        reader_of(cohort, job, 2, directory=directory)
