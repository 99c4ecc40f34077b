"""The page of one judged walk: the answer, how sure it is, where it comes from, what it rests on.

It says what is in `prediction.json`, in words and pictures; no raw frame, no clock, no path.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

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
    rows_table,
    svg_picture,
)
from transforms.describe.prediction_views import (
    ViewMaterial,
    place_section,
    say_known,
    walk_section,
)
from transforms.describe.recording_block import show_findings
from transforms.describe.rendering import load_template
from transforms.describe.style import figure_to_svg
from transforms.describe.walk_figures import draw_probabilities
from transforms.extract.result import RecordingResult

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
        windows: `(window, class)` probabilities.
        middles_s: `(window,)`.
        views: in the order of the videos.
    """

    windows: "NDArray[Any]"
    middles_s: "NDArray[Any]"
    views: tuple[ViewMaterial, ...]


def render_prediction(prediction: Json, material: PictureMaterial) -> str:
    """Return the page of a prediction.

    Args:
        prediction: what `prediction.json` holds.
        material: for the pictures.
    """
    answer, videos = prediction["answer"], prediction["videos"]
    title = f"{name_videos(prediction)}: {answer['predicted']}, {answer['probability']:.2f}"
    sections = (
        _answer_section(prediction, material),
        _test_section(prediction["own_test"]),
        place_section(prediction["explanation"], material.views),
        *(
            walk_section(video, one.found, prediction.get("clips"), is_only=len(videos) == 1)
            for video, one in zip(videos, material.views, strict=True)
        ),
        _model_section(prediction["model"], videos),
    )
    return load_template("report.html.jinja").render(kind=_KIND, title=title, sections=sections)


def name_videos(prediction: Json) -> str:
    """Return the files that were judged."""
    return " + ".join(video["file"] for video in prediction["videos"])


def render_refusal(videos: Sequence[tuple[str, RecordingResult]], message: str) -> str:
    """Return the page of a walk that was not judged, so that a person can see why.

    Args:
        videos: files and what was found in them.
        message: why.
    """
    blocks: list[Block] = [Text(message)]
    for file, found in videos:
        shown = tuple(show_findings(file, found, shows_single_track=True))
        blocks += shown if len(videos) == 1 else [Group("part", file, shown)]
    return load_template("report.html.jinja").render(
        kind=_REFUSED_KIND,
        title=f"{' + '.join(file for file, _ in videos)}: not judged",
        sections=(Section("summary", "Why it was not judged", tuple(blocks)),),
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
        said = f"windows of {unsure['window_s']:g} s that agree"
        tiles.append((f"{agreeing} of {unsure['windows']}", said))
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
    blocks += [_overruled(video) for video in prediction["videos"] if video["overruled"]]
    blocks += list(_known(prediction["videos"]))
    blocks.append(table)
    questions = list_questions(prediction)
    if questions:
        blocks.append(
            rows_table(
                "Questions",
                ("question", "classes", "probability"),
                [
                    (words(name), " + ".join(one["classes"]), f"{one['probability']:.3f}")
                    for name, one in questions.items()
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
                f"Probability of each class, in windows of {unsure['window_s']:g} s and of the "
                "whole walk.",
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
                f"Extraction found in {video['file']}: {gates['verdict']}, "
                f"{words(gates['reason_code'] or '')}: {gates['reason']}.",
            ),
        )
    )


def _known(videos: Sequence[Json]) -> Iterator[Block]:
    for video in videos:
        said = say_known(video)
        if said is not None and video["known_as"]["was_learnt_from"] is False:
            yield Text(f"{said}.")
        elif said is not None:
            claim = "The model's dataset holds this video: the answer says little of how it does."
            yield Statements((Statement("caution", claim, f"{said}."),))


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


def list_questions(prediction: Json) -> Json:
    """Return the questions whose answer is no class's own probability, which is told anyway."""
    questions: Json = prediction["questions"]
    return {name: one for name, one in questions.items() if len(one["classes"]) > 1}


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


def _model_section(model: Json, videos: Sequence[Json]) -> Section:
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
                    *((f"Video {video['file']}", video["sha256"]) for video in videos),
                    ("Backends", "; ".join(_say_backends(videos[0]["backends"]))),
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
