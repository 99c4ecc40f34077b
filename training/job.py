"""What one training or one evaluation process is asked to do; no torch in here.

A job is written as JSON by whoever wants the work done and read by `training.run`.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from transforms.errors import SettingsError
from transforms.settings import EvaluationSettings, ExplanationSettings
from transforms.settings_section import Name, Section, Seed
from transforms.training_settings import DualViewSettings, TrainingSettings


class ExperimentJob(Section):
    """What training and evaluation of one experiment share.

    Attributes:
        experiment: the experiment's name, repeated in its results.
        model: a name of `training.models.registry`.
        dataset: the published shards.
        splits: the directory that holds `split.parquet`.
        clips: the published clips of two views; only read for models of clips.
        pretrained: the file that `dual_view.pretrained` names; only read in their training.
        output: an existing empty directory for the results.
        scratch: where caches, locks and checkpoints may stay between runs.
    """

    experiment: Annotated[str, Field(min_length=1)]
    model: Name
    variant: Name
    seed: Seed
    dataset: Path
    splits: Path
    output: Path
    scratch: Path
    device: Literal["auto", "cpu", "cuda"] = "auto"
    training: TrainingSettings
    clips: Path | None = None
    dual_view: DualViewSettings = DualViewSettings()
    pretrained: Path | None = None


class TrainingJob(ExperimentJob):
    """Train one model; writes model.safetensors, model.json and history.csv."""

    kind: Literal["training"] = "training"


class FinishedModelJob(ExperimentJob):
    """What is done with a trained model and the test side.

    Attributes:
        model_directory: what a `TrainingJob` of the same experiment wrote.
    """

    model_directory: Path


class EvaluationJob(FinishedModelJob):
    """Judge one trained model on the test side; writes both sides' predictions and metrics.json."""

    kind: Literal["evaluation"] = "evaluation"
    evaluation: EvaluationSettings


class ExplanationJob(FinishedModelJob):
    """Show where one trained model looks; writes shares, sanity checks and pictures."""

    kind: Literal["explanation"] = "explanation"
    explanation: ExplanationSettings


Job = TrainingJob | EvaluationJob | ExplanationJob
_JOB: TypeAdapter[Job] = TypeAdapter(Annotated[Job, Field(discriminator="kind")])


def read_job(path: Path) -> Job:
    """Read a job file.

    Raises:
        SettingsError: the file is missing or is not a job.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError("the job file cannot be read", where=path, found=error) from error
    try:
        return _JOB.validate_json(data)
    except ValidationError as error:
        problems: list[Any] = list(error.errors())  # `Any`: pydantic's error details are free-form
        lines = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in problems]
        raise SettingsError("not a job: " + "; ".join(lines), where=path) from error
