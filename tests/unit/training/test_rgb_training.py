"""Models of pictures of people through the whole of training, on walkers painted in one colour.

The pictures themselves are tested in tests/unit/transforms/dual_view.
"""

import json
import shutil

import numpy as np
import polars as pl
import pytest
import torch

from tests.unit.training.dual_view_cohort import SMALL, DualViewCohort, make_cohort, stop_at_second
from training.clip_store import RgbClipStore
from training.experiment_data import ExperimentData, open_experiment
from training.explain import run_explanation
from training.history import parse_history
from training.job import TrainingJob
from training.train import run_training
from transforms.dual_view.clips import Pictures
from transforms.dual_view.files import RGB_INDEX_NAME
from transforms.dual_view.pairing import VIEWS
from transforms.dual_view.rgb_shards import encode_picture, write_rgb_shard
from transforms.errors import InputError, IntegrityError
from transforms.explanation.results import CHECKS_NAME, LEFT_OUT, SHARES_NAME, SUMMARY_NAME
from transforms.progress import NoProgress
from transforms.schemas import RGB_INDEX, conform
from transforms.shards.parquet import write_table

SIZE = 32
RGB = SMALL.model_copy(
    update={"input": "rgb", "epochs": 6, "learning_rate": 1e-2, "clips_per_batch": 4}
)
ASD, OTHER = (200, 60, 20), (20, 60, 200)  # red, green, blue


def paint(label, view, place):
    """Return a picture in blue, green, red: a band of the label's colour that moves down."""
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    picture[2 * place : 2 * place + 12, 8:24] = (ASD if label == "asd" else OTHER)[::-1]
    return picture if view == "front" else picture // 2


def paint_into(output):
    def cut(aligned):
        rows = [
            {
                "clip_id": clip.clip_id,
                "view": view,
                "frame_index": list(range(8)),
                "size_px": SIZE,
                "pictures": [
                    encode_picture(paint(found.pair.label, view, place), 95) for place in range(8)
                ],
            }
            for found in aligned
            for clip in found.cut.clips
            for view in VIEWS
        ]
        shard = write_rgb_shard(rows, output)
        write_index(
            output,
            [(row["clip_id"], row["view"], shard, number) for number, row in enumerate(rows)],
        )
        return Pictures(clip_count=len(rows) // 2)

    return cut


def write_index(directory, rows):
    table = pl.DataFrame(rows, schema=RGB_INDEX.names, orient="row")
    write_table(conform(table, RGB_INDEX, where="index"), directory / RGB_INDEX_NAME)


@pytest.fixture(scope="module")
def filmed(tmp_path_factory) -> DualViewCohort:
    """Four people in red, four in blue; a clip has two pictures sized 32, one per view."""
    folder = tmp_path_factory.mktemp("filmed")
    return make_cohort(
        folder, asd=4, planted=None, folds=2, selection=0.2, pictures_into=paint_into
    )


@pytest.fixture
def copy_clips(filmed, tmp_path):
    """Return the cohort with clips of its own, to be damaged."""
    shutil.copytree(filmed.folder / "clips", tmp_path / "clips")
    for name in ("data", "splits"):
        (tmp_path / name).symlink_to(filmed.folder / name)
    return DualViewCohort(tmp_path)


def open_data(cohort) -> ExperimentData:
    arguments = cohort.arguments("early_channel", "fold_1", RGB)
    return open_experiment(TrainingJob(**arguments, output=cohort.folder))


@pytest.mark.slow
def test_a_model_of_pictures_is_trained_resumed_judged_and_not_explained(
    filmed, tmp_path, monkeypatch
):
    whole = filmed.train("feature_concat", "fold_1", RGB)
    arguments = filmed.arguments("feature_concat", "fold_1", RGB)
    arguments["scratch"] = tmp_path / "scratch"
    job = TrainingJob(**arguments, output=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("training.loop.require_finite_weights", stop_at_second())
        with pytest.raises(KeyboardInterrupt):
            run_training(job, device="cpu", progress=NoProgress())
    run_training(job, device="cpu", progress=NoProgress())
    for name in ("model.safetensors", "model.json", "history.csv"):
        assert (tmp_path / name).read_bytes() == (whole.output / name).read_bytes(), name

    card = json.loads((whole.output / "model.json").read_bytes())
    assert card["input"] == {
        "height_px": SIZE,
        "width_px": SIZE,
        "range": [0, 1],
        "views": ["front", "side"],
        "frames": 8,
        "duration_s": 1.0,
        "shows": "rgb",
    }
    assert card["clips_version"] == open_data(filmed).lineage["clips_version"]

    # Nothing but the colour tells the classes apart: a model blind to it stays at ln 2.
    assert parse_history((whole.output / "history.csv").read_bytes())[-1].loss < 0.1

    units = filmed.judge(whole)["units"]
    assert units["participant"]["count"] == 4
    assert units["clip"]["count"] > units["sequence"]["count"]

    notes = []
    progress = NoProgress()
    progress.advance = lambda count=1, note="": notes.append(note)
    output = tmp_path / "explained"
    output.mkdir()
    run_explanation(filmed.explanation(whole, output), device="cpu", progress=progress)
    assert {path.name for path in output.iterdir()} == {SHARES_NAME, CHECKS_NAME, SUMMARY_NAME}
    assert pl.read_parquet(output / SHARES_NAME).is_empty()
    assert "pictures of people" in json.loads((output / SUMMARY_NAME).read_bytes())[LEFT_OUT]
    assert "not explained" in notes[-1]


def test_pictures_reach_a_model_in_red_green_blue_from_0_to_1(filmed):
    data = open_data(filmed)
    store = data.open_store(NoProgress())
    assert isinstance(store, RgbClipStore)
    labels = data.clips["label"].to_list()
    for label, colour in (("asd", ASD), ("lcs", OTHER)):
        clip = store.read(labels.index(label), cap=720)
        assert (clip.shape, clip.dtype) == ((1, 2, 3, 8, SIZE, SIZE), np.float32)
        assert (clip.min(), clip.max() <= 1) == (0, True)
        for place in range(8):
            band = clip[0, :, :, place, 2 * place + 2 : 2 * place + 10, 10:22].mean(axis=(2, 3))
            expected = np.array([colour, np.array(colour) // 2]) / 255
            assert np.abs(band - expected).max() < 0.02
    # Any frames of any clips, and the same on the way to a device.
    positions, frames = np.array([5, 0]), np.array([[7, 2], [0, 1]])
    batch = store.gather(positions, frames)
    assert np.array_equal(batch[0], store.read(5, cap=720)[0][:, :, [7, 2]])
    packed = store.gather_packed(positions, frames)
    assert packed.dtype == np.uint8
    assert np.array_equal(store.expand(torch.from_numpy(packed)).numpy(), batch)
    for gather, expected in ((store.gather, batch), (store.gather_packed, packed)):
        room = np.full_like(expected, 9)
        assert gather(positions, frames, room) is room
        assert np.array_equal(room, expected)


@pytest.mark.parametrize("damage", ["a byte", "cut off", "gone"])
def test_damaged_pictures_end_a_training_in_words(copy_clips, tmp_path, damage):
    (shard,) = copy_clips.folder.glob("clips/restricted/rgb-*.parquet")
    data = bytearray(shard.read_bytes())
    if damage == "gone":
        shard.unlink()
    elif damage == "cut off":
        shard.write_bytes(data[:-1000])
    else:
        place = -1
        while (place := data.find(b"\xff\xd8\xff", place + 1)) >= 0:
            data[place + 300] ^= 1
        shard.write_bytes(data)
    job = TrainingJob(**copy_clips.arguments("single_side", "fold_1", RGB), output=tmp_path)
    with pytest.raises(IntegrityError, match="picture") as raised:
        run_training(job, device="cpu", progress=NoProgress())
    assert "dual_view_clips" in str(raised.value.details())


def test_a_clip_without_pictures_is_no_sample_of_a_model_of_pictures(copy_clips):
    data = open_data(copy_clips)
    directory = copy_clips.folder / "clips"
    index = pl.read_parquet(directory / RGB_INDEX_NAME)
    first, second = data.clips["clip_id"][:2]
    kept = index.filter(
        (pl.col("clip_id") != first) & ~((pl.col("clip_id") == second) & (pl.col("view") == "side"))
    )
    write_index(directory, kept.rows())
    left = open_data(copy_clips)
    assert left.clips["clip_id"].to_list() == data.clips["clip_id"].to_list()[2:]
    left.open_store(NoProgress()).read(0, cap=8)
    write_index(directory, [])
    with pytest.raises(InputError, match="no clip with pictures"):
        open_data(copy_clips)


def test_pictures_of_two_sizes_are_refused(copy_clips):
    directory = copy_clips.folder / "clips"
    clip_id = open_data(copy_clips).clips["clip_id"][1]
    row = {
        "clip_id": clip_id,
        "view": "side",
        "frame_index": [0],
        "size_px": 40,
        "pictures": [encode_picture(np.zeros((40, 40, 3), np.uint8), 90)] * 8,
    }
    shard = write_rgb_shard([row], directory)
    index = pl.read_parquet(directory / RGB_INDEX_NAME)
    others = index.filter((pl.col("clip_id") != clip_id) | (pl.col("view") != "side"))
    write_index(directory, [*others.rows(), (clip_id, "side", shard, 0)])
    store = open_data(copy_clips).open_store(NoProgress())
    with pytest.raises(IntegrityError, match="of another number or size"):
        store.read(1, cap=8)
