"""The datasheet: what the data answer of each question, what the publisher adds, what stays open.

An answer of the publisher (`release.answers`) stands after what the data say and replaces nothing.
"""

from collections.abc import Sequence
from typing import Any, Final

from transforms.release.card import Values
from transforms.release.citation import LICENCES, join_creators
from transforms.release.markdown import render
from transforms.release.questions import QUESTIONS

DATASHEET_NAME: Final = "datasheet.md"

_NOBODY: Final = "Nobody was filmed, so there is nobody to ask, tell or pay."
_SYNTHETIC: Final = {
    "purpose": "To try software on: a program drew the walkers. Nothing about people can be "
    "learned from them.",
    "sample": "It is all that the program drew and the pipeline kept, a sample of nothing.",
    "confidential": "No. The walkers and their diagnoses are made up.",
    "identifiable": "No. The walkers are made up; any likeness is chance. The release is made and "
    "checked as one of people would be, under random pseudonyms.",
    "sensitive": "No. Diagnoses, sex, age, stature and weight are drawn at random.",
    "acquisition": "A program drew videos of walkers; the pipeline took silhouettes from them as "
    "it does from any video. The label is the one that the program drew the walker with.",
    "mechanisms": "A program, with a seed. There was no camera.",
    "sampling": "Walkers were drawn at random, as many of each class as were asked for.",
    "collectors": _NOBODY,
    "timeframe": "Does not apply: nobody was filmed.",
    "ethics": "None were needed: nobody was filmed.",
    "source": "From neither: a program drew them.",
    "notice": _NOBODY,
    "consent": _NOBODY,
    "revocation": _NOBODY,
    "impact": "Does not apply: nobody was filmed.",
    "raw_data": "The drawn videos are not part of the release.",
    "retention": "None: nobody was filmed.",
    "restrictions": "None.",
}
_PEOPLE: Final = {
    "confidential": "Diagnoses are health data. The participants stand under pseudonyms.",
    "identifiable": "Possibly. The data are pseudonymised: names and pictures are left out, and "
    "age, stature and weight are given as intervals, but silhouettes are biometric, and a person's "
    "gait can identify them. Do not try to find out who a participant is.",
    "sensitive": "Yes: a diagnosis, a person's gait, sex, intervals of age, stature and weight.",
    "acquisition": "Participants were filmed walking, and a program took their silhouettes from "
    "the videos. Who made the diagnoses, and how, is for the publisher to say.",
    "raw_data": "The videos are not part of the release; `video_sha256` in the index names each.",
}
# What the data say of these is not the whole answer.
_PARTLY: Final = frozenset({"sample", "acquisition", "mechanisms", "raw_data", "confidential"})


def render_datasheet(values: Values, warnings: Sequence[str]) -> str:
    """Return `datasheet.md`.

    Args:
        values: what `transforms.release.card.gather_values` returns.
        warnings: what the audit found, one sentence each.
    """
    release = values["release"]
    known = _answer_from_data(values, warnings)
    if release.is_synthetic:
        known |= _SYNTHETIC
        partly: frozenset[str] = frozenset()
    else:
        known |= _PEOPLE
        known["identifiable"] += f"\n\n{values['singled_out']}"
        partly = _PARTLY
    sections: dict[str, list[dict[str, Any]]] = {}
    counts = {"data": 0, "publisher": 0, "open": 0}
    for question in QUESTIONS:
        given = release.answers.get(question.key, "").strip()
        is_open = not given and (question.key not in known or question.key in partly)
        counts["data"] += question.key in known
        counts["publisher"] += bool(given)
        counts["open"] += is_open
        entry = {"question": question, "known": known.get(question.key, ""), "given": given}
        sections.setdefault(question.section, []).append(entry | {"is_open": is_open})
    return render(
        "datasheet.md.jinja",
        values | {"sections": sections, "answered": counts, "questions": len(QUESTIONS)},
    )


def _answer_from_data(values: Values, warnings: Sequence[str]) -> dict[str, str]:
    release, counts = values["release"], values["counts"]
    pixels = "0 or 255" if values["is_binary"] else "grey, 0 to 255"
    answers = {
        "creators": f"{join_creators(release)}.",
        "instances": "A sequence is one walk of one participant, seen by one camera: a silhouette "
        "per frame. Besides, there are participants and, as a ledger, decoded frames.",
        "instance_count": f"{counts['sequences']} sequences of {counts['participants']} "
        f"participants, together {counts['silhouettes']} silhouettes; {values['decoded']} decoded "
        f"frames.\n\n{values['cohort']}",
        "instance_data": f"Silhouettes of {values['height_px']} x {values['width_px']} pixels "
        f"({pixels}), the time of each, the view, a quality score, and hashes of what they were "
        "made from. `schema.json` describes every column. No picture and no path of a file is "
        "part of it.",
        "labels": f"Yes: {values['label_words'].datasheet} It is the participant's; every sequence "
        "of a participant carries it.",
        "missing": f"{values['dropped']} of {values['decoded']} decoded frames have no silhouette; "
        "`frames.parquet` says why for each. Sex and measures are empty (`n/a`) where unknown.",
        "relationships": "Yes: `participant_id`, `session` (a participant's visits) and "
        "`sync_group` (one walk seen by several cameras).",
        "splits": f"Yes, by the protocol {', '.join(values['protocols'])}: "
        f"{', '.join(values['variants'])}. No participant is on two sides. `splits/proof.json` "
        "holds what was asked for and reached, `splits/audit.md` what was looked for and found."
        + "".join(f" Also by {name}: `splits/{name}/`." for name in values["further_splits"]),
        "errors": _describe_errors(values, warnings),
        "self_contained": "It is self-contained.",
        "offensive": "No. It shows outlines of people walking.",
        "mechanisms": f"Cameras of {values['fps']} frames per second; views: "
        f"{', '.join(values['views'])}.",
        "subpopulations": "By diagnosis and sex, and by intervals of age, stature and weight: "
        "`participants.tsv`.",
        "sample": "Recordings that did not become a sequence are counted in `README.md`.",
        "preprocessing": f"People were detected ({values['extraction']['detector']}), tracked "
        f"({values['extraction']['tracker']}), the participant chosen by rule, segmented "
        f"({values['extraction']['segmenter']}), and the mask normalised. Poor frames and "
        "recordings were dropped, by the rules in `lineage/settings.json`.",
        "software": "The software is Gaitworks. `lineage/` holds all settings and hashes of what "
        "went in.",
        "other_uses": "Training and judging classifiers of gait, and studying how class imbalance "
        "changes what they learn.",
        "use_impact": "\n".join(f"- {limit}" for limit in values["limits"]),
        "unsuitable_uses": "Diagnosing a person, and identifying one.",
        "channel": "As a directory of files with checksums"
        + (f", from {release.url}." if release.url else "."),
        "when": f"This version: {release.date}.",
        "licence": f"{LICENCES.get(release.licence, release.licence)}, see `LICENSE`.",
        "updates": "A change is a new version. `gaitworks release diff` says what differs between "
        "two.",
        "old_versions": "A published version is never overwritten.",
    }
    if values["experiments"]:
        answers["prior_uses"] = (
            f"Yes: {', '.join(values['experiments'])}, with results and model cards in `results/`."
        )
    return answers


def _describe_errors(values: Values, warnings: Sequence[str]) -> str:
    """Say what is known to be wrong, which the program that made the silhouettes can't see."""
    text = (
        "Silhouettes come from a program and have its errors; `quality_score` and the frame ledger "
        "tell of those that it noticed. "
    )
    text += (
        f"Pairs of sequences that look like one walk: {values['pairs']} (`splits/audit.md`)."
        if values["pairs"]
        else "No two sequences look like one walk."
    )
    return text + "".join(f"\n- {warning}" for warning in warnings)
