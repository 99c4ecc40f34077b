"""`gaitworks predict`: from a video to a class, with how sure it is, why, and where the time went.

Loads no Dagster: see `orchestration.cli.light`.
"""

import math
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from orchestration.cli.console import Context, print_json, say
from orchestration.cli.prediction_output import (
    REFUSAL,
    draw_pages,
    note_timing,
    refuse_foreign,
    say_timing,
    sum_up,
    write_answer,
    write_refusal,
)
from transforms.errors import InputError, SettingsError
from transforms.extract.walk_process import WalkProcess
from transforms.processes import measure_age

if TYPE_CHECKING:
    from training.wish import ModelPlace
    from transforms.extract.single import WalkRequest
    from transforms.settings import Settings

_PREPARE: Final = "settings and choice of model"
_PAGES: Final = "page"
_CACHE_FRACTION: Final = 0.25


def predict(
    context: typer.Context,
    video: Annotated[Path, typer.Argument(help="A walking video.")],
    video2: Annotated[
        Path | None,
        typer.Argument(help="The side view of the same walk, where VIDEO is the front view."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="An experiment of the workspace; its only one if not given."),
    ] = None,
    model_directory: Annotated[
        Path | None, typer.Option(help="A model's folder from elsewhere, instead of --model.")
    ] = None,
    view: Annotated[
        str, typer.Option(help="What the camera saw: side, front, ...; as in recordings.csv.")
    ] = "unknown",
    offset: Annotated[
        float | None,
        typer.Option(
            help="Seconds after VIDEO's first frame at which VIDEO2 begins; estimated from the "
            "motion if not given."
        ),
    ] = None,
    accept_track: Annotated[
        str | None,
        typer.Option(help="The participant's track, such as 1@3f9c0a12: a person's decision."),
    ] = None,
    accept_track2: Annotated[
        str | None, typer.Option("--accept-track2", help="The same in VIDEO2.")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Judge a walk that the quality gates refuse.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="A folder for the answer, a page with pictures, the times.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Judge one walk by a trained model: the class it looks most like, how sure, and why.

    A screening aid under research, not a medical device. The video goes through the pipeline's own
    extraction and gates: a walk that it would not take into a dataset is not judged (exit code 5).
    The video stays where it is; a page shows silhouettes, never a frame.
    """
    start_s = measure_age()
    chosen: Context = context.obj
    videos = [one for one in (video, video2) if one is not None]
    if output is not None:
        refuse_foreign(output)
    if video2 is None:
        for name, value in (("--offset", offset), ("--accept-track2", accept_track2)):
            if value is not None:
                raise SettingsError("there is no second video", where=name)
    if offset is not None and not math.isfinite(offset):
        raise SettingsError("not a time", where="--offset", expected="seconds", found=offset)
    missing = next((one for one in videos if not one.is_file()), None)
    if missing is not None:
        raise InputError("no such video", where=missing, expected="a file")
    with ExitStack() as stack:
        # They load what extraction needs while this process still reads settings and models.
        processes = [stack.enter_context(WalkProcess()) for _ in videos]
        from training.single_walk import WAIT, NotJudgedError, predict_walk
        from training.wish import Wish
        from transforms.describe.prediction_page import NOTICE
        from transforms.layout import PARAMS_NAME
        from transforms.settings import read_settings
        from transforms.stopwatch import Stopwatch

        clock = Stopwatch()
        with clock.stage(_PREPARE):
            root = chosen.workspace.resolve()
            settings = read_settings(root / PARAMS_NAME)
            place = _find_model(root, settings, model, model_directory)
            requests = [
                _plan(root, settings, one, len(videos), track, is_accepted=anyway)
                for one, track in zip(videos, (accept_track, accept_track2), strict=False)
            ]
            wish = Wish(view, offset, settings.explanation.frame_cap, settings.clips)
        say(f"judging {' and '.join(one.name for one in videos)} by {place.directory}")
        try:
            found = predict_walk(
                requests, processes, place, wish, clock, loads_pictures=output is not None
            )
        except NotJudgedError as refused:
            if output is not None:
                write_refusal(output, refused)
                say(f"{output / REFUSAL} shows who walked where")
            raise refused.error from None
    found.document["notice"] = NOTICE
    if output is not None:
        with clock.stage(_PAGES):
            pages = draw_pages(found)
    timing = note_timing(start_s, clock.seconds, found.walks.values())
    if output is not None:
        write_answer(output, found.document, pages, timing)
    if json:
        print_json(found.document)
    else:
        typer.echo(sum_up(found.document))
    say_timing(timing, WAIT)


def _find_model(
    root: Path, settings: "Settings", model: str | None, directory: Path | None
) -> "ModelPlace":
    from training.find_model import describe_model_directory, find_model_directory
    from training.wish import ModelPlace
    from transforms.layout import SHARDS_FOLDER, SPLITS_FOLDER

    if model is not None and directory is not None:
        raise SettingsError("a model by name and by folder", where="--model, --model-directory")
    if directory is None:
        found = find_model_directory(root, model)
    else:
        found = describe_model_directory(directory)
    return ModelPlace(
        directory=found.directory,
        evaluations=found.evaluations,
        dataset=root / SHARDS_FOLDER,
        is_synthetic=_is_synthetic(root, settings) if directory is None else None,
        splits=root / SPLITS_FOLDER,
    )


def _is_synthetic(root: Path, settings: "Settings") -> bool | None:
    """Return whether the workspace's dataset shows nobody who was filmed, as far as it can tell."""
    import json

    import polars as pl

    from transforms.layout import SCORE_FOLDER, SCORE_NAME, SHARDS_FOLDER
    from transforms.synth.origin import is_synthetic_cohort

    try:
        score = json.loads((root / SCORE_FOLDER / SCORE_NAME).read_bytes())
        has_truth = bool(score["available"])
    except (OSError, ValueError, LookupError, TypeError):
        has_truth = False
    path = root / SHARDS_FOLDER / "index.parquet"
    index = pl.read_parquet(path, columns=["extraction_key"]) if path.is_file() else None
    if settings.release.is_synthetic or is_synthetic_cohort(index, has_truth=has_truth):
        return True
    return None if index is None else False


def _plan(
    root: Path,
    settings: "Settings",
    video: Path,
    video_count: int,
    accepted_track: str | None,
    *,
    is_accepted: bool,
) -> "WalkRequest":
    from transforms.extract.overrides import is_track
    from transforms.extract.registry import Resources
    from transforms.extract.single import WalkRequest
    from transforms.processes import count_workers, share_memory
    from transforms.weights.registry import REGISTRY_NAME, STORE_NAME, read_registry

    if accepted_track is not None and not is_track(accepted_track):
        raise SettingsError(
            "not a track",
            where="--accept-track, --accept-track2",
            expected="a track as it is named where a walk is refused, such as 1@3f9c0a12",
            found=accepted_track[:40],
        )
    extraction = settings.extraction
    weights = {
        name: read_registry(root / REGISTRY_NAME).weights(name, root / STORE_NAME)
        for name in (extraction.detector_weights, extraction.segmenter_weights)
        if name is not None
    }
    return WalkRequest(
        video=video.resolve(),
        intake=settings.intake,
        extraction=extraction,
        shards=settings.shards,
        resources=Resources(
            detector_weights=weights.get(extraction.detector_weights or ""),
            segmenter_weights=weights.get(extraction.segmenter_weights or ""),
            device=settings.runtime.device,
            threads=max(1, count_workers(0) // video_count),
            frame_cache_bytes=share_memory(video_count, _CACHE_FRACTION),
        ),
        accepted_track=accepted_track,
        is_accepted=is_accepted,
    )
