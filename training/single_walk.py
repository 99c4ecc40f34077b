"""From a video to the document of a prediction: extraction beside the loading of the model.

What is asked of the model is in `judge_walk` and `explain_walk`; pages and tables are made of what
comes back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from training.card_file import Card, read_card
from training.judge_pair import judge_pair, require_view_count
from training.repeatable import compute_repeatably
from transforms.errors import GaitworksError
from transforms.extract.result import ACCEPTED
from transforms.extract.single import ExtractedWalk, WalkRequest, require_accepted
from transforms.extract.version import EXTRACTION_VERSION
from transforms.extract.walk_process import WalkProcess
from transforms.labels import LabelScheme
from transforms.metrics.own_test import describe_own_test, read_own_test
from transforms.stopwatch import Stopwatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.explain_walk import WalkExplanation
    from training.judge_walk import Judgement

FORMAT: Final = "gaitworks-prediction/1"
LOAD: Final = "load model"
WAIT: Final = "wait for extraction"
JUDGE: Final = "judge"
EXPLAIN: Final = "explain"

Json = dict[str, Any]  # `Any`: JSON


@dataclass(frozen=True)
class ModelPlace:
    """A trained model and what lies around it.

    Attributes:
        directory: its weights and card.
        evaluations: where its own test may lie, the first that is there counts.
        dataset: where the dataset it was trained on may lie.
        is_synthetic: whether that dataset shows nobody who was filmed; None: not recorded.
        view: of the walk to judge.
        frame_cap: frames to explain, at most.
    """

    directory: Path
    evaluations: tuple[Path, ...]
    dataset: Path
    is_synthetic: bool | None
    view: str
    frame_cap: int


@dataclass(frozen=True)
class Prediction:
    """A judged walk.

    Attributes:
        document: what `prediction.json` holds.
        walk: what extraction gave.
        judgement: of the walk and its parts.
        explanation: maps of it.
    """

    document: Json
    walk: ExtractedWalk
    judgement: "Judgement"
    explanation: "WalkExplanation"


class NotJudgedError(Exception):
    """Extraction gave no walk to judge; carries what it gave, for a page that shows why."""

    def __init__(self, error: GaitworksError, walk: ExtractedWalk) -> None:
        super().__init__(str(error))
        self.error = error
        self.walk = walk


def predict_walk(
    requests: Sequence[WalkRequest],
    processes: Sequence[WalkProcess],
    place: ModelPlace,
    clock: Stopwatch,
    *,
    offset_s: float | None = None,
    loads_pictures: bool = False,
) -> Prediction:
    """Extract the video or videos of one walk, judge it and explain the answer.

    Torch and the model are loaded here while other processes extract.

    Args:
        requests: one video, or the front and the side view.
        processes: as many, not yet asked for anything.
        place: of the model.
        clock: told how long each part takes.
        offset_s: how many seconds after the first video the second begins.
        loads_pictures: loads what draws pictures while extraction is under way.

    Raises:
        NotJudgedError: there is no walk to judge, and why.
        GaitworksError: the model or its test is damaged, or a video is none.
    """
    for process, request in zip(processes, requests, strict=True):
        process.submit(request)
    with clock.stage(LOAD):
        card = read_card(place.directory)
        compute_repeatably(_cpu_threads(card))
        from training.explain_walk import explain_walk
        from training.judge_walk import judge_walk, to_model_input
        from training.model_card import open_described_model
        from transforms.explanation.reference import find_reference, take_own_mean

        require_view_count(card, len(requests))
        described = open_described_model(place.directory) if len(requests) == 1 else None
        own_test = read_own_test(place.evaluations, card)
        others = find_reference(place.dataset, str(card["dataset_version"]), place.view)
        if loads_pictures:
            import matplotlib.figure  # noqa: F401  # its import is half of what a page costs
    with clock.stage(WAIT):
        walks = [process.result() for process in processes]
    for walk, request in zip(walks, requests, strict=True):
        try:
            require_accepted(walk, request.video)
        except GaitworksError as error:
            raise NotJudgedError(error, walk) from error
    if described is None:
        judge_pair(card, walks[0], walks[1], offset_s)
    walk = walks[0]
    with clock.stage(JUDGE):
        silhouettes = to_model_input(walk.silhouettes)
        judgement = judge_walk(described, silhouettes, walk.times_s)
    with clock.stage(EXPLAIN):
        explanation = explain_walk(
            described,
            silhouettes,
            walk.times_s,
            take_own_mean(silhouettes, others) if isinstance(others, str) else others,
            explained=judgement.predicted,
            view=place.view,
            frame_cap=min(place.frame_cap, judgement.frames),
        )
    described_walk = _describe_walk(walk, requests[0], place.view) | {
        "judged_frames": judgement.frames,
        "explained_frames": explanation.frames,
    }
    label = judgement.classes[judgement.predicted]
    document = {
        "format": FORMAT,
        "model": _describe_model(card, place),
        "videos": [described_walk],
        **judgement.describe(),
        "questions": _answer_questions(described.scheme, judgement.whole),
        "own_test": describe_own_test(own_test, described.scheme, label),
        "explanation": explanation.describe(),
    }
    return Prediction(document, walk, judgement, explanation)


def _cpu_threads(card: Card) -> int:
    """Return the number of threads that judged the test; a card that is wrong is refused later."""
    training = card.get("training") or card.get("dual_view")
    threads = training.get("cpu_threads") if isinstance(training, dict) else None
    return threads if isinstance(threads, int) and 1 <= threads <= 256 else 1


def _answer_questions(scheme: LabelScheme, whole: "NDArray[Any]") -> Json:
    return {
        name: {
            "classes": [scheme.classes[index] for index in indices],
            "probability": float(whole[list(indices)].sum()),
        }
        for name, indices in scheme.questions.items()
    }


def _describe_model(card: Card, place: ModelPlace) -> Json:
    train = card.get("train")
    trained = train if isinstance(train, dict) else {}
    names = ("experiment", "model", "variant", "seed", "dataset_version", "split_sha256")
    return {
        **{name: card.get(name) for name in (*names, "weights_sha256", "parameter_count")},
        "trained_on": {
            "participants": trained.get("participants"),
            "sequences": trained.get("sequences"),
            "is_synthetic": place.is_synthetic,
        },
    }


def _describe_walk(walk: ExtractedWalk, request: WalkRequest, view: str) -> Json:
    found, final = walk.found, walk.final
    return {
        "file": request.video.name,
        "sha256": walk.facts.sha256,
        "fps": walk.facts.fps,
        "duration_s": walk.facts.duration_s,
        "view": view,
        "warnings": list(walk.warnings),
        "frames": len(found.pts_s),
        "kept_frames": len(final.kept_frames),
        "gates": {
            "verdict": found.verdict,
            "reason_code": found.reason_code,
            "reason": found.reason,
            "quality_score": found.quality_score,
            "measures": found.measures,
        },
        "overruled": found.verdict != ACCEPTED or request.accepted_track is not None,
        "target": {
            "track_id": found.target_track_id,
            "confidence": found.target_confidence,
            "why": found.target_why,
        },
        "tracks_id": found.tracks_id,
        "tracks": [
            {name: value for name, value in track.items() if not name.startswith("sample_")}
            for track in found.tracks
        ],
        "extraction_version": EXTRACTION_VERSION,
        "backends": dict(walk.runtimes),
    }
