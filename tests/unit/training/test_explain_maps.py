"""The maps of one sequence against their definitions, computed another way."""

import numpy as np
import pytest

from training.explain_maps import average_by_strip, divide_evidence, explain_sequence
from training.models.registry import MODELS, build_model
from transforms.explanation.shares import METHODS

FRAMES = 40  # more than go through the backbone at once
WALK_MODELS = sorted(name for name, one in MODELS.items() if one.reads == "walks")


@pytest.fixture
def make_model(tiny_settings):
    def make(name: str):
        import torch

        # Wide enough that something speaks for any class.
        wide = tiny_settings.model_copy(update={"channels": (4, 8, 16, 16), "embedding_size": 8})
        model = build_model(name, wide, 3).eval()
        # Fresh statistics let everything through; give the norms something to do.
        with torch.no_grad():
            for number, (_, buffer) in enumerate(sorted(model.named_buffers())):
                if buffer.dtype.is_floating_point:
                    buffer += 0.1 * torch.rand(
                        buffer.shape, generator=torch.Generator().manual_seed(number)
                    )
        return model

    return make


@pytest.fixture
def walk():
    import torch

    return torch.rand(FRAMES, 64, 44, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def reference():
    import torch

    return torch.full((64, 44), 0.4)


def test_evidence_is_divided_among_the_frames_that_brought_it() -> None:
    import torch

    # Frames 0 and 2 bring 3 each, frame 1 speaks against: the whole is 3 - 1 + 3.
    found = divide_evidence(torch.tensor([3.0, -1.0, 3.0, 0.0])[:, None, None])
    assert found.flatten().tolist() == pytest.approx([2.5, 0.0, 2.5, 0.0])


def test_nothing_is_divided_where_all_speaks_against() -> None:
    import torch

    found = divide_evidence(torch.tensor([1.0, -2.0])[:, None, None])
    assert found.flatten().tolist() == [0.0, 0.0]


def test_weights_are_averaged_over_the_strip_of_a_classifier() -> None:
    import torch

    gradient = torch.arange(8.0).reshape(1, 4, 2)
    by_half = average_by_strip(gradient, parts=2)
    assert by_half[0, :, 0].tolist() == [1.5, 1.5, 5.5, 5.5]
    assert average_by_strip(gradient, parts=1).unique().tolist() == [3.5]


@pytest.mark.parametrize("name", ["sconet", "baseline_cnn", "gait_mil"])
def test_grad_cam_is_that_of_the_gradient_through_the_pooling_over_time(
    name, make_model, walk, reference
) -> None:
    import torch

    model = make_model(name)
    features = model.backbone(walk[:, None]).detach().requires_grad_()
    slopes = model.temporal.slopes(features, walk).detach()  # attention is held
    pooled = (slopes * features).sum(dim=0)
    logits = model.neck(model.projection(model.pooling(pooled[None])))[0]
    scores = logits.mean(dim=-1)
    explained = int(scores.argmax())
    (by_frame,) = torch.autograd.grad(scores[explained], features)
    by_place = by_frame.sum(dim=0) / slopes.sum(dim=0)
    weights = average_by_strip(by_place, parts=logits.shape[-1])
    expected = (weights * pooled).sum(dim=0).relu()
    found = explain_sequence(model, walk, reference)
    assert found.explained == explained
    assert found.maps["grad_cam"].sum(axis=0) == pytest.approx(expected.detach().numpy(), abs=1e-6)
    assert expected.max() > 0


@pytest.mark.parametrize("name", ["baseline_cnn", "sconet"])
def test_evidence_is_how_the_score_changes_towards_the_reference(
    name, make_model, walk, reference
) -> None:
    import torch
    from torch.nn import functional

    model, step = make_model(name).double(), 1e-6
    walk, reference = walk.double(), reference.double()

    def embed(frames):
        pooled = model.backbone(frames[:, None]).max(dim=0).values
        return model.projection(model.pooling(pooled[None]))

    def normalise(embeddings):
        return model.neck.norm(embeddings.flatten(1)).view_as(embeddings)

    def score(frames, explained, lengths):
        if lengths is None:
            logits = model.neck(embed(frames))[0].mean(dim=-1)
        else:
            directions = (normalise(embed(frames)) / lengths).permute(2, 0, 1)
            by_part = directions @ functional.normalize(model.neck.weight, dim=1)
            logits = by_part[:, 0].mean(dim=0)
        others = [place for place in range(3) if place != explained]
        return float(logits[explained] - logits[others].mean())

    found = explain_sequence(model, walk, reference)
    with torch.no_grad():
        lengths = None
        if name == "sconet":
            lengths = normalise(embed(walk)).norm(dim=1, keepdim=True)
        away, towards = (
            score(walk + sign * step * (walk - reference), found.explained, lengths)
            for sign in (1, -1)
        )
    slope = (away - towards) / (2 * step)
    assert abs(slope) > 1e-4
    assert found.maps["evidence"].sum() == pytest.approx(slope, rel=1e-4)


def test_a_frame_that_wins_nothing_has_attention_only(make_model, walk, reference) -> None:
    walk[5:7] = walk[4]  # of equals the first wins
    maps = explain_sequence(make_model("sconet"), walk, reference).maps
    for method in ("grad_cam", "evidence"):
        assert not maps[method][5:7].any()
        assert maps[method].any()
    assert np.array_equal(maps["attention"][5], maps["attention"][4])


@pytest.mark.parametrize("name", WALK_MODELS)
def test_all_models_have_all_maps(name, make_model, walk, reference) -> None:
    model = make_model(name)
    found = explain_sequence(model, walk[:9], reference)
    output = model(walk[None, None, :9])
    assert found.explained == int(output.logits[0].mean(dim=-1).argmax())
    assert tuple(found.maps) == METHODS
    for maps in found.maps.values():
        assert maps.shape == (9, 16, 11)
        assert np.isfinite(maps).all()
        assert maps.any()


def test_the_class_to_explain_can_be_named(make_model, walk, reference) -> None:
    model = make_model("sconet")
    three = [explain_sequence(model, walk, reference, place) for place in range(3)]
    assert [one.explained for one in three] == [0, 1, 2]
    # Each is the score above the mean of the others: they add up to nothing.
    total = sum(one.maps["evidence"].astype(np.float64) for one in three)
    assert total == pytest.approx(np.zeros_like(total), abs=1e-5)
    assert np.array_equal(three[0].maps["attention"], three[2].maps["attention"])
