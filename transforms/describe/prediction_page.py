"""The page of one judged walk: the answer, how sure it is, where it comes from, what it rests on.

It says what is in `prediction.json`, in words and pictures; no raw frame, no clock, no path.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from transforms.describe.attention_figure import draw_attention
from transforms.describe.formatting import NOTHING, format_interval, name_metric, plural, words
from transforms.describe.page import (
    Block,
    Group,
    Section,
    Statement,
    Statements,
    Table,
    Terms,
    Text,
    Tiles,
    png_picture,
    rows_table,
    svg_picture,
)
from transforms.describe.recording_block import show_findings
from transforms.describe.rendering import load_template
from transforms.describe.style import figure_to_png, figure_to_svg
from transforms.describe.walk_figures import draw_evidence, draw_probabilities, rank_regions
from transforms.extract.result import RecordingResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from transforms.explanation.over_time import WeighedWalk
    from transforms.explanation.shares import SequenceMaps

NOTICE: Final = (
    "A screening aid under research, not a medical device: it names the class of its training "
    "cohort that a walk looks most like. It finds no cause, and replaces no examination."
)
_KIND: Final = "One walk, judged by a trained model"
_REFUSED_KIND: Final = "One walk, not judged"

Json = Mapping[str, Any]  # `Any`: JSON


@dataclass(frozen=True)
class PictureMaterial:
    """What the page draws besides what it says.

    Attributes:
        found: of the video, before the verdict took effect.
        windows: `(window, class)` probabilities.
        middles_s: `(window,)`.
        maps: of the walk.
        over_time: for a model that weighs frames.
    """

    found: RecordingResult
    windows: "NDArray[Any]"
    middles_s: "NDArray[Any]"
    maps: "SequenceMaps"
    over_time: "WeighedWalk | None"


def render_prediction(prediction: Json, material: PictureMaterial) -> str:
    """Return the page of a prediction.

    Args:
        prediction: what `prediction.json` holds.
        material: for the pictures.
    """
    answer, video = prediction["answer"], prediction["videos"][0]
    title = f"{video['file']}: {answer['predicted']}, {answer['probability']:.2f}"
    sections = (
        _answer_section(prediction, material),
        _test_section(prediction["own_test"]),
        _place_section(prediction["explanation"], material),
        _walk_section(video, material.found),
        _model_section(prediction["model"], video),
    )
    return load_template("report.html.jinja").render(kind=_KIND, title=title, sections=sections)


def render_refusal(file: str, found: RecordingResult, message: str) -> str:
    """Return the page of a video that was not judged, so that a person can see why."""
    blocks = (Text(message), *show_findings(file, found, shows_single_track=True))
    return load_template("report.html.jinja").render(
        kind=_REFUSED_KIND,
        title=f"{file}: not judged",
        sections=(Section("summary", "Why it was not judged", blocks),),
    )


def _answer_section(prediction: Json, material: PictureMaterial) -> Section:
    answer, unsure = prediction["answer"], prediction["uncertainty"]
    spread, agreeing = unsure["spread"], unsure["agreeing_windows"]
    tiles = [
        (answer["predicted"], "class the walk looks most like"),
        (f"{answer['probability']:.2f}", "its probability, the walk as a whole"),
        (
            f"{unsure['entropy_bits']:.2f} of {unsure['entropy_bits_of_a_guess']:.2f} bits",
            "entropy; the second is a mere guess",
        ),
    ]
    if agreeing is not None:
        tiles.append((f"{agreeing} of {unsure['windows']}", "windows of a second that agree"))
    rows = [
        (
            name,
            f"{probability:.3f}",
            *((f"{value:.3f}" for value in spread[name].values()) if spread else (NOTHING,) * 3),
        )
        for name, probability in answer["probabilities"].items()
    ]
    table = rows_table(
        "Probability of each class",
        ("class", "whole walk", "5 % of windows below", "median window", "95 % below"),
        rows,
        numeric=(1, 2, 3, 4),
        note=unsure.get("reason")
        or f"Windows of {unsure['window_s']:g} s, one every {unsure['step_s']:g} s, each judged "
        "alone. They share one walk: their spread is not that of another day, or another camera.",
    )
    blocks: list[Block] = [Text(NOTICE), Tiles(tuple(tiles))]
    if prediction["videos"][0]["overruled"]:
        blocks.append(_overruled(prediction["videos"][0]))
    blocks.append(table)
    if prediction["questions"]:
        blocks.append(
            rows_table(
                "Questions",
                ("question", "classes", "probability"),
                [
                    (words(name), " + ".join(one["classes"]), f"{one['probability']:.3f}")
                    for name, one in prediction["questions"].items()
                ],
                numeric=(2,),
            )
        )
    if len(material.windows):
        figure = draw_probabilities(
            list(answer["probabilities"]),
            material.middles_s,
            material.windows,
            list(answer["probabilities"].values()),
        )
        blocks.append(
            svg_picture(
                figure_to_svg(figure),
                "Probability of each class, second by second and of the whole walk.",
                "Dotted: a guess.",
            )
        )
    return Section("summary", "Answer", tuple(blocks))


def _overruled(video: Json) -> Statements:
    gates = video["gates"]
    return Statements(
        (
            Statement(
                "caution",
                "The walk was judged because a person asked for it.",
                f"Extraction found: {gates['verdict']}, {words(gates['reason_code'] or '')}: "
                f"{gates['reason']}.",
            ),
        )
    )


def _test_section(own: Json) -> Section:
    title = "On people it had never seen"
    if "participants" not in own:
        return Section("test", title, (Text(f"Not known: {own['reason']}."),))
    named = own["named_class"]
    sides = ", ".join(f"{count} {name}" for name, count in own["participants_per_class"].items())
    blocks: list[Block] = [
        Text(f"The model's own test: {plural(own['participants'], 'participant')} ({sides})."),
        Text(say_named(named)),
        _figures_table(own),
        Text(
            "These people came from the same cohort, rooms and cameras as those it was trained on. "
            "How well it does elsewhere is not known."
        ),
    ]
    return Section("test", title, tuple(blocks))


def say_named(named: Json) -> str:
    """Say how often the class that was answered was right in the model's own test."""
    label = named["class"]
    if not named["named"]:
        return f"In its own test the model called nobody {label}: how often it is right is unknown."
    people = "participant" if named["named"] == 1 else "participants"
    text = (
        f"Of {named['named']:,} test {people} that it called {label}, {named['were']:,} were "
        f"(precision {format_interval(named['precision'])})"
    )
    if named["mean_probability"] is not None:
        text += f"; it gave them {named['mean_probability']:.2f} on the mean"
    return f"{text}. Of all who were {label} it found {format_interval(named['recall'])}."


def _figures_table(own: Json) -> Table:
    rows = [
        (f"{name_metric(name)[0]}, {words(question)}", format_interval(entry))
        for question, entries in own["questions"].items()
        for name, entry in entries.items()
    ]
    rows += [
        (name_metric(name)[0], format_interval(own[name])) for name in ("accuracy", "brier", "ece")
    ]
    return rows_table("Its figures there, with their intervals", ("figure", "value"), rows)


def _place_section(explanation: Json, material: PictureMaterial) -> Section:
    label = explanation["explained_class"]
    shares = rank_regions(explanation["shares"])
    blocks: list[Block] = [
        Text(
            f"Evidence for {label}: how much each part of the silhouette raises its score above "
            f"the other classes', to first order, by differing from {explanation['reference']}."
        )
    ]
    if shares:
        blocks += [
            png_picture(
                figure_to_png(draw_evidence(material.maps, explanation["method"])),
                f"Evidence for {label} over the mean silhouette.",
                "Red: most evidence. To the right: eighths of the gait cycle."
                if explanation["gait_cycle_found"]
                else "Red: most evidence. No gait cycle was found to divide the walk by.",
            ),
            rows_table(
                "Share of the evidence",
                ("region", "share", "left of the picture", "right", "share of the body"),
                [(words(name), *(f"{value:.0%}" for value in rest)) for name, *rest in shares],
                numeric=(1, 2, 3, 4),
                note="A large region has a large share for its size alone: compare with the last "
                "column.",
            ),
        ]
    else:
        blocks.append(Text("No pixel speaks for this class: there is no map to show."))
    if material.over_time is not None:
        blocks.append(
            png_picture(
                figure_to_png(draw_attention([material.over_time])),
                "Silhouettes of the walk over the weights of its frames.",
                "How much of the answer each frame makes, as the model weighs them.",
            )
        )
    limits = (
        Text(
            "A map shows what the model used, not what is wrong with a back. Whether its maps "
            "depend on what it has learnt is checked on its test side, by the stage "
            "model_explanation: the report says whether the checks passed."
        ),
    )
    blocks.append(Group("box", "What this does not show", limits))
    return Section("explanation", "Where it looked", tuple(blocks))


def _walk_section(video: Json, found: RecordingResult) -> Section:
    target = video["target"]
    track = f"track {target['track_id']}@{video['tracks_id']}"
    terms = [
        ("Verdict of extraction", video["gates"]["verdict"]),
        ("Participant", f"{track}: {target['why']}"),
        ("Frames", f"{video['kept_frames']:,} of {video['frames']:,} usable"),
        ("Judged, explained", f"{video['judged_frames']:,}, {video['explained_frames']:,} frames"),
        ("View", video["view"]),
    ]
    terms += [("Intake warns", text) for text in video["warnings"]]
    findings = show_findings(video["file"], found, shows_single_track=False)
    measured = Group("part", "As extraction found it", tuple(findings))
    return Section("walk", "The walk", (Terms(tuple(terms)), measured))


def _model_section(model: Json, video: Json) -> Section:
    trained = model["trained_on"]
    return Section(
        "model",
        "What it rests on",
        (
            Terms(
                (
                    ("Model", f"{model['model']}, experiment {model['experiment']}"),
                    ("Trained on", say_cohort(trained)),
                    ("Dataset version", model["dataset_version"]),
                    ("Split", model["split_sha256"]),
                    ("Weights", model["weights_sha256"]),
                    ("Video", video["sha256"]),
                    ("Backends", "; ".join(_say_backends(video["backends"]))),
                )
            ),
        ),
    )


def say_cohort(trained: Json) -> str:
    """Say whom a model was trained on."""
    kind = {
        True: "synthetic walkers, nobody was filmed",
        False: "people who were filmed",
        None: "whether people or synthetic walkers is not recorded",
    }[trained["is_synthetic"]]
    if trained["participants"] is None:
        return f"how many participants is not recorded; {kind}"
    return (
        f"{plural(trained['participants'], 'participant')}, "
        f"{plural(trained['sequences'], 'sequence')}; {kind}"
    )


def _say_backends(backends: Mapping[str, str]) -> Sequence[str]:
    return [f"{role}: {what}" for role, what in backends.items()]
