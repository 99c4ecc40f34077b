"""From a video to the document of a prediction: extraction beside the loading of the model.

How a model reads a walk is in `reading` and behind it; pages are made of what comes back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from training.card_file import Card, read_card
from training.known_walk import find_known
from training.repeatable import compute_repeatably
from training.wish import ModelPlace, Wish
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

    from training.judgement import Judgement
    from training.walk_explanation import WalkExplanation

FORMAT: Final = "gaitworks-prediction/1"
LOAD: Final = "load model"
WAIT: Final = "wait for extraction"
READ: Final = "read the walk"
JUDGE: Final = "judge"
EXPLAIN: Final = "explain"
TRACK_OPTIONS: Final = ("--accept-track", "--accept-track2")
"""By which a person says who the participant of the first and of the second video is."""

Json = dict[str, Any]  # `Any`: JSON


@dataclass(frozen=True)
class Prediction:
    """A judged walk.

    Attributes:
        document: what `prediction.json` holds.
        walks: what extraction gave, by view.
        judgement: of the walk and its parts.
        explanations: maps of it, of each view.
    """

    document: Json
    walks: dict[str, ExtractedWalk]
    judgement: "Judgement"
    explanations: "list[WalkExplanation]"


class NotJudgedError(Exception):
    """There is no walk to judge; carries what a page can show of why.

    Attributes:
        walks: as far as they were extracted.
    """

    def __init__(self, error: GaitworksError, walks: Sequence[ExtractedWalk]) -> None:
        super().__init__(str(error))
        self.error = error
        self.walks = tuple(walks)


def predict_walk(
    requests: Sequence[WalkRequest],
    processes: Sequence[WalkProcess],
    place: ModelPlace,
    wish: Wish,
    clock: Stopwatch,
    *,
    loads_pictures: bool = False,
) -> Prediction:
    """Extract the video or videos of one walk, judge it and explain the answer.

    Torch and the model are loaded here while other processes extract.

    Args:
        requests: one video, or the front and the side view.
        processes: as many, not yet asked for anything.
        place: of the model.
        wish: how to read them.
        clock: told how long each part takes.
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
        from training.reading import open_reader
        from training.walk_explanation import METHOD

        reader = open_reader(card, place, wish, len(requests))
        own_test = read_own_test(place.evaluations, card)
        if loads_pictures:
            import matplotlib.figure  # noqa: F401  # its import is half of what a page costs
    with clock.stage(WAIT):
        walks = [process.result() for process in processes]
    for walk, option in zip(walks, TRACK_OPTIONS, strict=False):
        try:
            require_accepted(walk, track_option=option)
        except GaitworksError as error:
            raise NotJudgedError(error, [walk]) from error
    with clock.stage(READ):
        try:
            reading = reader.read(walks)
        except GaitworksError as error:
            raise NotJudgedError(error, walks) from error
    with clock.stage(JUDGE):
        judgement = reading.judge()
    with clock.stage(EXPLAIN):
        explanations = reading.explain(judgement)
    label = judgement.classes[judgement.predicted]
    document = {
        "format": FORMAT,
        "model": _describe_model(card, place),
        "videos": [
            _describe_walk(walk, request, view)
            | {"judged_frames": frames, "explained_frames": explanation.frames}
            | {"known_as": find_known(place.dataset, place.splits, card, walk.facts.sha256)}
            for walk, request, view, frames, explanation in zip(
                walks, requests, reader.views, judgement.frames, explanations, strict=True
            )
        ],
        **judgement.describe(),
        **reading.describe(),
        "questions": _answer_questions(reader.scheme, judgement.whole),
        "own_test": describe_own_test(own_test, reader.scheme, label),
        "explanation": {
            "method": METHOD,
            "explained_class": label,
            "views": [one.describe() for one in explanations],
        },
    }
    by_view = dict(zip(reader.views, walks, strict=True))
    return Prediction(document, by_view, judgement, explanations)


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
        "file": walk.file,
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
