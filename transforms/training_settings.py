"""The sections `training` and `dual_view` of `params.yaml`: one training run of a model."""

from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from transforms.settings_section import Fraction, Positive, Probability, Section

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
FrameSampling = Literal["fixed_unordered", "fixed_ordered"]

# Of a model's layers. Settings come with models from elsewhere, too, and a model is laid out before
# its weights are compared with it.
Width = Annotated[int, Field(ge=1, le=4096)]
Depth = Annotated[int, Field(ge=1, le=64)]


class TrainingSettings(Section):
    """One training run; the defaults are the field's full-size protocol."""

    channels: tuple[Width, Width, Width, Width] = (64, 128, 256, 512)
    embedding_size: Width = 256
    parts: Literal[1, 2, 4, 8, 16] = 16
    phase_count: Literal[2, 3, 4, 6, 8] = 4  # of Gait-MIL, as the next one
    attention_size: Width = 128
    identities_per_batch: Positive = 8
    sequences_per_identity: Positive = 8
    triplet_identity: Literal["sequence", "participant"] = "sequence"
    batch_balance: Literal["none", "classes", "epochs"] = "none"
    frames_per_sequence: Positive = 30
    frame_sampling: FrameSampling = "fixed_unordered"
    steps: Positive = 20_000
    optimiser: Literal["sgd", "adam"] = "sgd"
    milestones: tuple[Positive, ...] = (10_000, 14_000, 18_000)
    learning_rate: Annotated[float, Field(gt=0)] = 0.1
    learning_rate_factor: Fraction = 0.1
    momentum: Probability = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    triplet_margin: Annotated[float, Field(gt=0)] = 0.2
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    logit_scale: Annotated[float, Field(gt=0)] = 16.0
    precision: Precision = "32-true"
    compile_step: bool = False
    # On a CPU another number of threads sums weight gradients in another order: other weights.
    cpu_threads: Annotated[int, Field(ge=1, le=256)] = 2
    checkpoint_every_steps: Positive = 1_000
    patience: Positive | None = None  # checkpoints without a better one, then training ends
    evaluation_frame_cap: Positive = 720

    @model_validator(mode="after")
    def _milestones_lie_inside(self) -> Self:
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError("milestones must rise")
        if self.milestones and self.milestones[-1] >= self.steps:
            last = f"the last milestone, {self.milestones[-1]}"
            raise ValueError(f"{last}, must come before `steps`, which is {self.steps}")
        return self


class DualViewSettings(Section):
    """Training of the models that read clips; the defaults are the published protocol."""

    input: Literal["silhouettes", "rgb"] = "silhouettes"
    width: Width = 64
    depths: tuple[Depth, Depth, Depth, Depth] = (3, 4, 6, 3)
    pretrained: Annotated[str, Field(min_length=1)] | None = None  # a file below the workspace
    pretrained_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    clips_per_batch: Annotated[int, Field(ge=2)] = 8
    epochs: Positive = 50
    patience: Positive | None = 5  # epochs without a higher selection accuracy
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    precision: Precision = "32-true"
    cpu_threads: Annotated[int, Field(ge=1, le=256)] = 2

    @model_validator(mode="after")
    def _know_the_pretrained_file(self) -> Self:
        if (self.pretrained is None) != (self.pretrained_sha256 is None):
            raise ValueError("`pretrained` and `pretrained_sha256` go together")
        place = PurePosixPath(self.pretrained or "")
        if place.is_absolute() or ".." in place.parts:
            raise ValueError("`pretrained` is a file below the workspace, without `..`")
        return self

    def plan_training(self, clip_count: int, frame_count: int) -> TrainingSettings:
        """Return these values as a training on so many clips of so many frames.

        An epoch sees each clip once.
        """
        steps = -(-clip_count // self.clips_per_batch)
        return TrainingSettings(
            identities_per_batch=self.clips_per_batch,
            sequences_per_identity=1,
            batch_balance="epochs",
            frames_per_sequence=frame_count,
            frame_sampling="fixed_ordered",
            steps=steps * self.epochs,
            milestones=(),
            checkpoint_every_steps=steps,
            optimiser="adam",
            patience=self.patience,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            label_smoothing=self.label_smoothing,
            precision=self.precision,
            cpu_threads=self.cpu_threads,
        )
