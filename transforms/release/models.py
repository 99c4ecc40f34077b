"""The model cards of a release: for people, from what training wrote and what judging found."""

from typing import Any, Final

import polars as pl

from transforms.release.card import Values, show_figure
from transforms.release.markdown import encode_table, render

MODEL_NAME: Final = "model.json"
_TITLES: Final = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "any_abnormality/sensitivity": "sensitivity, any abnormality",
    "any_abnormality/specificity": "specificity, any abnormality",
    "any_abnormality/auroc": "AUROC, any abnormality",
    "positive_vs_rest/sensitivity": "sensitivity, positive against the rest",
    "positive_vs_rest/specificity": "specificity, positive against the rest",
    "asd/sensitivity": "sensitivity, adult spinal deformity",
    "asd/specificity": "specificity, adult spinal deformity",
    "asd/auroc": "AUROC, adult spinal deformity",
}


def render_model_card(card: dict[str, Any], metrics: dict[str, Any], values: Values) -> str:
    """Return `model_card.md` of one experiment.

    Args:
        card: `model.json`.
        metrics: `metrics.json`.
        values: what `transforms.release.card.gather_values` returns.
    """
    unit = metrics["units"]["participant"]
    rows = [
        {"metric": title, "value": show_figure(unit["metrics"][name])}
        for name, title in _TITLES.items()
        if name in unit["metrics"]
    ]
    labels = unit["labels"]
    confusion = [
        {"true": label} | dict(zip(labels, map(str, counts), strict=True))
        for label, counts in zip(labels, unit["confusion"], strict=True)
    ]
    train = card.get("train")
    reads = _say_what_it_reads(card)
    trained = ""
    if train:
        # Cards of clips that count none are of a form whose `sequences` were the clips.
        samples = train.get(reads["unit"], train["sequences"])
        trained = f": {train['participants']} participants, {samples} {reads['unit']}"
    return render(
        "model_card.md.jinja",
        values
        | {
            "experiment": metrics["experiment"],
            "card": card,
            "reads": reads,
            "trained": trained,
            "chosen": card.get("chosen", {}).get("reason", "the last step"),
            "metrics": encode_table(pl.DataFrame(rows)),
            "confusion": encode_table(pl.DataFrame(confusion)),
            "tested": unit["participants"],
        },
    )


def _say_what_it_reads(card: dict[str, Any]) -> Values:
    """Return what a classifier is one of, what its input shows and what a reader has to know."""
    inputs = card["input"]
    if inputs.get("shows") == "rgb":
        return {
            "walks": "walks filmed in colour",
            "input": "clips of two views, colour pictures",
            "unit": "clips",
            "limit": "It reads pictures of the people, which this release does not hold: nobody "
            "can apply it to these data.",
        }
    of_clips = bool(inputs.get("views"))
    return {
        "walks": "silhouette sequences",
        "input": "clips of two views, silhouettes" if of_clips else "silhouettes",
        "unit": "clips" if of_clips else "sequences",
        "limit": None,
    }
