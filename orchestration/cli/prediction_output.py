"""What `gaitworks predict` leaves behind: a folder with the answer, and lines for a person.

Loads no Dagster: see `orchestration.cli.light`.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchestration.cli.console import say
from transforms.errors import InputError
from transforms.processes import measure_age

if TYPE_CHECKING:
    from training.single_walk import NotJudgedError, Prediction
    from transforms.extract.single import ExtractedWalk

_DOCUMENT: Final = "prediction.json"
_PAGE: Final = "prediction.html"
_SHEET: Final = "silhouettes"
_TIMING: Final = "timing.json"
REFUSAL: Final = "not_judged.html"
_START: Final = "start"
_IMPORT: Final = "import"
_NO_CLIPS: Final = {"alignment": None}


def note_timing(
    start_s: float | None, here: Mapping[str, float], walks: Iterable["ExtractedWalk"]
) -> dict[str, Any]:
    """Return what `timing.json` holds; times of this process lie one behind the other."""
    total_s = measure_age()
    stages = dict(here)
    if start_s is not None and total_s is not None:
        rest = {_START: start_s, _IMPORT: max(0.0, total_s - start_s - sum(stages.values()))}
        stages = rest | stages
    extraction = [dict(walk.seconds) for walk in walks]  # in the order of the videos
    return {"total_s": total_s, "here_s": stages, "extraction_s": extraction}


def refuse_foreign(folder: Path) -> None:
    """Let an earlier answer be replaced, and nothing else."""
    if not folder.exists():
        return
    from transforms.dual_view.pairing import VIEWS

    sheets = {_name_sheet(view) for view in (None, *VIEWS)}
    ours = {_DOCUMENT, _PAGE, _TIMING, REFUSAL} | sheets
    if not folder.is_dir() or not {path.name for path in folder.iterdir()} <= ours:
        raise InputError(
            "the folder exists and holds something else than a prediction",
            where=folder,
            fix="name a new folder with --output, or remove this one",
        )


def _name_sheet(view: str | None) -> str:
    """Return the file of a contact sheet: of the view of two, or of the only video."""
    return f"{_SHEET}.png" if view is None else f"{_SHEET}_{view}.png"


def draw_pages(found: "Prediction") -> dict[str, bytes]:
    """Return the page and the contact sheets by their names."""
    from transforms.describe.contact_sheet import draw_contact_sheet
    from transforms.describe.prediction_page import PictureMaterial, render_prediction
    from transforms.describe.prediction_views import ViewMaterial
    from transforms.describe.recording_block import flag_frames

    material = PictureMaterial(
        windows=found.judgement.windows,
        middles_s=found.judgement.middles_s,
        views=tuple(
            ViewMaterial(walk.found, one.maps, one.over_time)
            for walk, one in zip(found.walks.values(), found.explanations, strict=True)
        ),
    )
    pages = {_PAGE: render_prediction(found.document, material).encode()}
    for video, (view, walk) in zip(found.document["videos"], found.walks.items(), strict=True):
        name = _name_sheet(view if len(found.walks) > 1 else None)
        pages[name] = draw_contact_sheet(
            walk.final.silhouettes,
            walk.final.kept_frames,
            flagged=flag_frames(walk.found),
            title=video["file"],
        )
    return pages


def write_answer(
    output: Path, document: dict[str, Any], pages: Mapping[str, bytes], timing: dict[str, Any]
) -> None:
    """Write a whole answer, or nothing."""
    import json

    from transforms.files import canonical_json, publish_directory

    times = json.dumps(timing, indent=2).encode() + b"\n"  # stages stay in their order
    contents = {_DOCUMENT: canonical_json(document), _TIMING: times, **pages}
    with publish_directory(output) as staging:
        for name, data in contents.items():
            (staging / name).write_bytes(data)


def write_refusal(output: Path, refused: "NotJudgedError") -> None:
    """Write the page of a walk that was not judged."""
    from transforms.describe.prediction_page import render_refusal
    from transforms.files import publish_directory

    videos = [(walk.file, walk.found) for walk in refused.walks]
    with publish_directory(output) as staging:
        page = render_refusal(videos, str(refused.error))
        (staging / REFUSAL).write_text(page, encoding="utf-8")


def sum_up(document: Mapping[str, Any]) -> str:
    """Return the answer as a few lines for a person."""
    from transforms.describe.formatting import words
    from transforms.describe.prediction_page import (
        list_questions,
        name_videos,
        say_cohort,
        say_named,
    )
    from transforms.describe.prediction_views import say_alignment, say_known

    answer, unsure, own = document["answer"], document["uncertainty"], document["own_test"]
    lines = [
        f"{name_videos(document)}: looks most like {answer['predicted']}, "
        f"probability {answer['probability']:.2f}",
    ]
    width = max(map(len, answer["probabilities"]))
    for name, probability in answer["probabilities"].items():
        quantiles = list(unsure["spread"][name].values()) if unsure["spread"] else []
        spread = f"  windows {quantiles[0]:.2f} to {quantiles[-1]:.2f}" if quantiles else ""
        lines.append(f"  {name:{width}}  {probability:.2f}{spread}")
    for name, one in list_questions(document).items():
        lines.append(f"  {words(name)}: {one['probability']:.2f}")
    lines.append(
        f"uncertainty: entropy {unsure['entropy_bits']:.2f} of "
        f"{unsure['entropy_bits_of_a_guess']:.2f} bits; "
        + (
            unsure["reason"]
            if unsure["spread"] is None
            else f"{unsure['agreeing_windows']} of {unsure['windows']} windows of "
            f"{unsure['window_s']:g} s agree"
        )
    )
    lines.append(
        f"own test: {say_named(own['named_class']) if 'named_class' in own else own['reason']}"
    )
    lines.append(f"trained on {say_cohort(document['model']['trained_on'])}")
    lines += [f"aligned: {said}" for said in say_alignment(document.get("clips", _NO_CLIPS))]
    views = document["explanation"]["views"]
    for view in views:
        where = "" if len(views) == 1 else f" in the {view['view']} view, {view['share']:.0%}"
        lines.append(f"evidence{where}: {_rank(view['shares'])}compared with {view['reference']}")
    lines += [said for video in document["videos"] if (said := say_known(video)) is not None]
    for video in document["videos"]:
        gates = video["gates"]
        if video["overruled"]:
            reason = f", {gates['reason_code']}: {gates['reason']}" if gates["reason_code"] else ""
            lines.append(
                f"{video['file']} judged by a person's decision; extraction found "
                f"{gates['verdict']}{reason}"
            )
    lines.append(document["notice"])
    return "\n".join(lines)


def _rank(shares: Sequence[Mapping[str, Any]]) -> str:
    """Return the three regions with most evidence; none where nothing speaks for the class."""
    from transforms.describe.formatting import words

    whole = [row for row in shares if row["half"] == "all"]
    ranked = sorted(whole, key=lambda row: (-row["share"], row["region"]))[:3]
    return "".join(
        f"{words(row['region'])} {row['share']:.0%} (of the body {row['body_share']:.0%}), "
        for row in ranked
    )


def say_timing(timing: Mapping[str, Any], waiting: str) -> None:
    """Print where the time went: this process's stages, and those that ran beside them."""
    say("\nseconds, one after the other here:")
    for name, seconds in timing["here_s"].items():
        say(f"  {name:28}{seconds:8.2f}")
    if timing["total_s"] is not None:
        say(f"  {'all in all':28}{timing['total_s']:8.2f}")
    for name, stages in zip(("VIDEO", "VIDEO2"), timing["extraction_s"], strict=False):
        say(f"in the process that extracts {name}, beside it up to the end of `{waiting}`:")
        for stage, seconds in stages.items():
            say(f"  {stage:28}{seconds:8.2f}")
