"""`gaitworks predict`: from a video to a class, with how sure it is, why, and where the time went.

Loads no Dagster: see `orchestration.cli.light`.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from orchestration.cli.console import Context, print_json, say
from transforms.errors import InputError, SettingsError
from transforms.extract.walk_process import WalkProcess
from transforms.processes import measure_age

if TYPE_CHECKING:
    from training.single_walk import ModelPlace, Prediction
    from transforms.extract.single import ExtractedWalk, WalkRequest
    from transforms.settings import Settings

_DOCUMENT: Final = "prediction.json"
_PAGE: Final = "prediction.html"
_SHEET: Final = "silhouettes.png"
_TIMING: Final = "timing.json"
_REFUSAL: Final = "not_judged.html"
_OURS: Final = {_DOCUMENT, _PAGE, _SHEET, _TIMING, _REFUSAL}
_START: Final = "start"
_IMPORT: Final = "import"
_PREPARE: Final = "settings and choice of model"
_PAGES: Final = "page"
_CACHE_FRACTION: Final = 0.25


def predict(
    context: typer.Context,
    video: Annotated[Path, typer.Argument(help="A walking video.")],
    video2: Annotated[
        Path | None,
        typer.Argument(help="The side view, where VIDEO is the front view of the same walk."),
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
        typer.Option(help="Seconds after VIDEO's first frame at which VIDEO2 begins."),
    ] = None,
    accept_track: Annotated[
        str | None,
        typer.Option(help="The participant's track, such as 1@3f9c0a12: a person's decision."),
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
        _refuse_foreign(output)
    if offset is not None and video2 is None:
        raise SettingsError("an offset is between two videos", where="--offset")
    missing = next((one for one in videos if not one.is_file()), None)
    if missing is not None:
        raise InputError("no such video", where=missing, expected="a file")
    with ExitStack() as stack:
        # They load what extraction needs while this process still reads settings and models.
        processes = [stack.enter_context(WalkProcess()) for _ in videos]
        from training.single_walk import WAIT, NotJudgedError, predict_walk
        from transforms.describe.prediction_page import NOTICE
        from transforms.layout import PARAMS_NAME
        from transforms.settings import read_settings
        from transforms.stopwatch import Stopwatch

        clock = Stopwatch()
        with clock.stage(_PREPARE):
            root = chosen.workspace.resolve()
            settings = read_settings(root / PARAMS_NAME)
            place = _find_model(root, settings, model, model_directory, view)
            requests = [
                _plan(root, settings, one, len(videos), accept_track, is_accepted=anyway)
                for one in videos
            ]
        say(f"judging {' and '.join(one.name for one in videos)} by {place.directory}")
        try:
            found = predict_walk(
                requests,
                processes,
                place,
                clock,
                offset_s=offset,
                loads_pictures=output is not None,
            )
        except NotJudgedError as refused:
            if output is not None:
                _write_refusal(output, refused.walk, video.name, str(refused.error))
                say(f"{output / _REFUSAL} shows who walked where")
            raise refused.error from None
    found.document["notice"] = NOTICE
    if output is not None:
        with clock.stage(_PAGES):
            pages = _draw(found, video.name)
    timing = _note_timing(start_s, clock.seconds, found.walk.seconds)
    if output is not None:
        _write(output, found.document, pages, timing)
    if json:
        print_json(found.document)
    else:
        typer.echo(_sum_up(found.document))
    _say_timing(timing, WAIT)


def _find_model(
    root: Path, settings: "Settings", model: str | None, directory: Path | None, view: str
) -> "ModelPlace":
    from training.find_model import describe_model_directory, find_model_directory
    from training.single_walk import ModelPlace
    from transforms.layout import SHARDS_FOLDER

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
        view=view,
        frame_cap=settings.explanation.frame_cap,
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
            where="--accept-track",
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


def _note_timing(
    start_s: float | None, here: Mapping[str, float], extraction: Mapping[str, float]
) -> dict[str, Any]:
    """Return what `timing.json` holds; times of this process lie one behind the other."""
    total_s = measure_age()
    stages = dict(here)
    if start_s is not None and total_s is not None:
        rest = {_START: start_s, _IMPORT: max(0.0, total_s - start_s - sum(stages.values()))}
        stages = rest | stages
    return {"total_s": total_s, "here_s": stages, "extraction_s": dict(extraction)}


def _refuse_foreign(folder: Path) -> None:
    """Let an earlier answer be replaced, and nothing else."""
    if not folder.exists():
        return
    if not folder.is_dir() or not {path.name for path in folder.iterdir()} <= _OURS:
        raise InputError(
            "the folder exists and holds something else than a prediction",
            where=folder,
            fix="name a new folder with --output, or remove this one",
        )


def _draw(found: "Prediction", name: str) -> dict[str, bytes]:
    from transforms.describe.contact_sheet import draw_contact_sheet
    from transforms.describe.prediction_page import PictureMaterial, render_prediction
    from transforms.describe.recording_block import flag_frames

    final = found.walk.final
    material = PictureMaterial(
        found=found.walk.found,
        windows=found.judgement.windows,
        middles_s=found.judgement.middles_s,
        maps=found.explanation.maps,
        over_time=found.explanation.over_time,
    )
    sheet = draw_contact_sheet(
        final.silhouettes, final.kept_frames, flagged=flag_frames(found.walk.found), title=name
    )
    return {_PAGE: render_prediction(found.document, material).encode(), _SHEET: sheet}


def _write(
    output: Path, document: dict[str, Any], pages: Mapping[str, bytes], timing: dict[str, Any]
) -> None:
    import json

    from transforms.files import canonical_json, publish_directory

    times = json.dumps(timing, indent=2).encode() + b"\n"  # stages stay in their order
    contents = {_DOCUMENT: canonical_json(document), _TIMING: times, **pages}
    with publish_directory(output) as staging:
        for name, data in contents.items():
            (staging / name).write_bytes(data)


def _write_refusal(output: Path, walk: "ExtractedWalk", name: str, message: str) -> None:
    from transforms.describe.prediction_page import render_refusal
    from transforms.files import publish_directory

    with publish_directory(output) as staging:
        page = render_refusal(name, walk.found, message)
        (staging / _REFUSAL).write_text(page, encoding="utf-8")


def _sum_up(document: Mapping[str, Any]) -> str:
    """Return the answer as a few lines for a person."""
    from transforms.describe.formatting import words
    from transforms.describe.prediction_page import say_cohort, say_named

    answer, unsure = document["answer"], document["uncertainty"]
    own, explanation = document["own_test"], document["explanation"]
    video = document["videos"][0]
    lines = [
        f"{video['file']}: looks most like {answer['predicted']}, "
        f"probability {answer['probability']:.2f}",
    ]
    width = max(map(len, answer["probabilities"]))
    for name, probability in answer["probabilities"].items():
        quantiles = list(unsure["spread"][name].values()) if unsure["spread"] else []
        spread = f"  by the second {quantiles[0]:.2f} to {quantiles[-1]:.2f}" if quantiles else ""
        lines.append(f"  {name:{width}}  {probability:.2f}{spread}")
    for name, one in document["questions"].items():
        lines.append(f"  {words(name)}: {one['probability']:.2f}")
    lines.append(
        f"unsure: entropy {unsure['entropy_bits']:.2f} of {unsure['entropy_bits_of_a_guess']:.2f} "
        "bits; "
        + (
            unsure["reason"]
            if unsure["spread"] is None
            else f"{unsure['agreeing_windows']} of {unsure['windows']} windows of a second agree"
        )
    )
    lines.append(
        f"own test: {say_named(own['named_class']) if 'named_class' in own else own['reason']}"
    )
    lines.append(f"trained on {say_cohort(document['model']['trained_on'])}")
    if explanation["shares"]:
        whole = [row for row in explanation["shares"] if row["half"] == "all"]
        ranked = sorted(whole, key=lambda row: (-row["share"], row["region"]))[:3]
        said = ", ".join(
            f"{words(row['region'])} {row['share']:.0%} (of the body {row['body_share']:.0%})"
            for row in ranked
        )
        lines.append(f"evidence: {said}; compared with {explanation['reference']}")
    gates = video["gates"]
    if video["overruled"]:
        reason = f", {gates['reason_code']}: {gates['reason']}" if gates["reason_code"] else ""
        lines.append(f"judged by a person's decision; extraction found {gates['verdict']}{reason}")
    lines.append(document["notice"])
    return "\n".join(lines)


def _say_timing(timing: Mapping[str, Any], waiting: str) -> None:
    """Print where the time went: this process's stages, and those that ran beside them."""
    say("\nseconds, one after the other here:")
    for name, seconds in timing["here_s"].items():
        say(f"  {name:28}{seconds:8.2f}")
    if timing["total_s"] is not None:
        say(f"  {'all in all':28}{timing['total_s']:8.2f}")
    say(f"in the extraction's process, beside it up to the end of `{waiting}`:")
    for name, seconds in timing["extraction_s"].items():
        say(f"  {name:28}{seconds:8.2f}")
