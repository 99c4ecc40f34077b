"""`params.yaml` as one frozen, validated value; unknown keys and impossible values are refused.

Every number that changes a result is here. `runtime` alone holds what changes only the speed, and
is therefore left out of every fingerprint.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from transforms.errors import SettingsError
from transforms.fold_names import name_fold
from transforms.labels import SCHEMES
from transforms.release.settings import ReleaseSettings
from transforms.settings_section import Fraction, Name, Positive, Probability, Section, Seed
from transforms.training_settings import DualViewSettings, TrainingSettings

Surroundings = Literal["white", "scene"]
CohortLabel = Literal["positive", "neutral", "negative", "asd", "dhs", "lcs", "hipoa"]
Device = Literal["auto", "cpu", "cuda"]
Engine = Literal["local", "ray"]
Words = Annotated[
    tuple[Annotated[str, Field(min_length=1, pattern=r"^[^\x00\r\n]*$")], ...], Field(max_length=64)
]
Ratio = Literal["ratio_1_1_2", "ratio_1_1_4", "ratio_1_1_8", "ratio_1_1_16"]
Protocol = Literal["fixed_test_nested", "paper_exact", "k_fold", "sequence_wise", "imported"]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]


class SynthSettings(Section):
    """The synthetic cohort of walking videos that `gaitworks synth` makes."""

    seed: Seed = 2026
    participants: dict[CohortLabel, Positive] = Field(
        default={"positive": 11, "neutral": 9, "negative": 18}
    )
    batches: Positive = 2
    second_session_fraction: Probability = 0.25
    bystander_fraction: Probability = 0.35
    frame_height_px: Annotated[int, Field(ge=120, le=2160, multiple_of=2)] = 360
    frame_width_px: Annotated[int, Field(ge=160, le=3840, multiple_of=2)] = 640
    fps: Annotated[int, Field(ge=5, le=120)] = 25
    duration_s: Annotated[float, Field(gt=0.5, le=120)] = 4.0
    views: Annotated[tuple[Literal["front", "side"], ...], Field(min_length=1)] = ("side",)
    start_spread_s: Annotated[float, Field(ge=0, le=10)] = 0.0
    declares_offsets: bool = True

    @field_validator("participants")
    @classmethod
    def _are_of_one_kind(cls, participants: dict[CohortLabel, int]) -> dict[CohortLabel, int]:
        kinds = [scheme.diagnoses for scheme in SCHEMES]
        if not any(set(participants) <= set(kind) for kind in kinds):
            raise ValueError(
                "classes of two kinds of cohort; name only "
                + ", or only ".join(", ".join(kind) for kind in kinds)
            )
        return participants

    @model_validator(mode="after")
    def _starts_differ_between_two_cameras(self) -> Self:
        if self.start_spread_s > 0 and set(self.views) != {"front", "side"}:
            raise ValueError("start_spread_s above 0 needs `views: [front, side]`")
        return self


class IntakeSettings(Section):
    """What is accepted into the cohort."""

    max_video_bytes: Positive = 4 * 2**30
    max_duration_s: Annotated[float, Field(gt=0)] = 600.0
    min_frames: Positive = 30
    min_height_px: Positive = 120
    max_pixels: Positive = 3840 * 2160
    probe_timeout_s: Annotated[float, Field(gt=0)] = 30.0


class DecodeSettings(Section):
    """What one video may cost; beyond it the recording fails and the others go on."""

    max_frames: Positive = 200_000
    max_pixels: Positive = 8192 * 8192
    memory_limit_mib: Annotated[int, Field(ge=256)] = 2048
    stall_limit_s: Annotated[float, Field(gt=0)] = 30.0  # without a new frame
    time_limit_s: Annotated[float, Field(gt=0)] = 1800.0  # spent on waiting for the decoder


class DetectionSettings(Section):
    """What the neural detectors let through; the background detector has its own measure."""

    min_score: Probability = 0.1
    nms_iou: Probability = 0.7


class SegmentationSettings(Section):
    """How the neural segmenters cut the person out of the box."""

    margin: Annotated[float, Field(ge=0, le=1)] = 0.1  # of the box's size, on each side
    threshold: Probability = 0.5  # a pixel is the person from this probability on
    surroundings: Surroundings = "white"  # of the crop in PP-HumanSeg's square input
    doubt: Annotated[float, Field(ge=0, lt=0.5)] = 0.2
    # probabilities this near to the threshold are decided with the frames before and after


class TrackingSettings(Section):
    """ByteTrack's thresholds and how offline stitching joins what it cut."""

    high_score: Probability = 0.5
    low_score: Probability = 0.1
    new_track_score: Probability = 0.6
    min_iou: Probability = 0.2
    lost_buffer_frames: Positive = 30
    min_track_frames: Positive = 8


class TargetSettings(Section):
    """When a track is surely the participant."""

    min_confidence: Probability = 0.6
    min_coverage: Probability = 0.35


class QualitySettings(Section):
    """When a frame is dropped and when a sequence is rejected.

    The defaults were chosen between what sound walks and deliberately damaged ones measure: the
    synthetic cohort from the side and the front at 8 to 25 frames per second, and real clips.
    """

    # A frame, beside the other frames of its walk.
    min_mask_px: Positive = 200
    min_confidence: Probability = 0.2  # sound frames of the background backend: 0.32 and more
    min_completeness: Probability = 0.7  # sound: 0.83 and more; without shins 0.78, no legs 0.6
    max_area_jump: Annotated[float, Field(gt=0)] = 0.6  # sound: 0.26 at most, 0.42 real
    max_aspect_jump: Annotated[float, Field(gt=0)] = 0.5  # sound: 0.37 at most at 25 per second
    min_relative_sharpness: Probability = 0.2  # sound: 0.5; a blur of 1 px leaves 0.3, 2 px 0.1
    # A sequence.
    min_kept_frames: Positive = 20
    min_kept_fraction: Probability = 0.4
    max_missing_fraction: Probability = 0.25  # every third frame missing: 0.33
    require_walking: bool = True
    require_rhythm: bool = False  # short walks from the front often show none
    min_rhythm_confidence: Probability = 0.5  # sound: 0.57 and more from the side
    min_gait_cycles: Annotated[float, Field(ge=0)] = 1.0  # of a rhythm that was found
    min_body_completeness: Probability = 0.82  # sound: 0.88 and more; without shins 0.76
    max_flicker: Probability = 0.03  # sound: 0.008 at most at 12 per second; breaking masks 0.05
    min_sharpness: Annotated[float, Field(ge=0)] = 0.03  # sound: 0.23 to 1.3; a blur of 3 px 0.01


class ExtractionSettings(Section):
    """From pixels to normalised silhouettes; the backends are chosen by name."""

    detector: Name = "background"
    detector_weights: Name | None = None  # a name of weights.toml; null where none are needed
    segmenter: Name = "background_grabcut"
    segmenter_weights: Name | None = None
    tracker: Name = "bytetrack"
    decode: DecodeSettings = DecodeSettings()
    detection: DetectionSettings = DetectionSettings()
    segmentation: SegmentationSettings = SegmentationSettings()
    tracking: TrackingSettings = TrackingSettings()
    target: TargetSettings = TargetSettings()
    quality: QualitySettings = QualitySettings()


class ShardSettings(Section):
    """How silhouettes lie at rest."""

    codec: Literal["binary", "grey"] = "binary"
    width_px: Literal[44, 64] = 44
    sequences_per_shard: Positive = 16
    compression_level: Annotated[int, Field(ge=1, le=22)] = 7


class ClipSettings(Section):
    """Dual-view clips: how long, how often, and when two clocks count as aligned.

    Attributes:
        duration_s: of a clip; the published protocol has 1 s.
        stride_s: from the start of one clip to that of the next.
        frames: evenly spaced frames of each view in a clip.
        max_offset_s: how far the cameras' starts may lie apart for an estimate.
        min_offset_confidence: an estimate less sure is quarantined.
        max_disagreement_s: between a declared offset and a sure estimate.
        rgb: also write restricted pictures, which show faces and bodies.
        size_px: of the square pictures; the published protocol has 512.
        jpeg_quality: of the pictures.
    """

    duration_s: Annotated[float, Field(ge=0.1, le=60)] = 1.0
    stride_s: Annotated[float, Field(ge=0.05, le=60)] = 1.0
    frames: Annotated[int, Field(ge=1, le=256)] = 8
    max_offset_s: Annotated[float, Field(gt=0, le=10)] = 2.0
    min_offset_confidence: Probability = 0.9
    max_disagreement_s: Annotated[float, Field(gt=0, le=1)] = 0.1
    rgb: bool = False
    size_px: Annotated[int, Field(ge=32, le=1024, multiple_of=2)] = 128
    jpeg_quality: Annotated[int, Field(ge=50, le=100)] = 90


class SplitSettings(Section):
    """Who is trained on, selected on and tested on; `docs/splits.md` describes the protocols."""

    protocol: Protocol = "fixed_test_nested"
    seed: Seed = 2026
    test_fraction: Fraction = 0.3
    selection_fraction: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    ratios: Annotated[tuple[Ratio, ...], Field(min_length=1)] = ("ratio_1_1_2", "ratio_1_1_4")
    training_size: Positive | None = None  # sequences; null: what the protocol says
    folds: Annotated[int, Field(ge=2, le=50)] = 5
    partition: FileName | None = None  # below partitions/; this and the next are for `imported`
    partition_naming: Literal["sequences", "participants"] | None = None  # null: found out
    # people behind ids that do not name them: all in all, or per label
    participants_known: Positive | dict[str, Positive] | None = None

    # Sequences that look like copies of each other and were found not to be.
    cleared_pairs: tuple[tuple[str, str], ...] = ()

    @property
    def variants(self) -> tuple[str, ...]:
        """The names of what a split by these settings holds."""
        if self.protocol == "k_fold":
            return tuple(name_fold(number) for number in range(1, self.folds + 1))
        return ("imported",) if self.protocol == "imported" else self.ratios

    @model_validator(mode="after")
    def _leave_something_to_train_on(self) -> Self:
        if self.test_fraction + self.selection_fraction >= 0.9:
            raise ValueError("test_fraction + selection_fraction must stay below 0.9")
        if len(set(self.ratios)) != len(self.ratios):
            raise ValueError("ratios must not repeat")
        if self.protocol == "imported" and self.partition is None:
            raise ValueError("`imported` needs `partition`, a JSON file below partitions/")
        return self


class ExperimentSettings(Section):
    """The grid: every model on these variants of the split with every seed."""

    models: Annotated[tuple[Name, ...], Field(min_length=1)] = ("sconet", "sconet_mt")
    # null: all that the split has; `dvc.yaml` needs them named
    variants: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)


class EvaluationSettings(Section):
    """How sure we are of a metric."""

    bootstrap_resamples: Annotated[int, Field(ge=100)] = 2_000
    confidence: Fraction = 0.95
    seed: Seed = 2026


class ExplanationSettings(Section):
    """What is explained of one experiment.

    Attributes:
        sequences_per_class: test sequences of each class that are explained, at most.
        frame_cap: frames of each, from its beginning.
        check_sequences_per_class: of these, how many also meet the randomised models.
        correlation_limit: a map has changed if its rank correlation is nearer to 0 than this, and
            repeats itself if it is above.
    """

    sequences_per_class: Positive = 16
    frame_cap: Annotated[int, Field(ge=8, le=720)] = 150
    check_sequences_per_class: Positive = 4
    correlation_limit: Fraction = 0.5


class RuntimeSettings(Section):
    """Speed only. Another device rounds otherwise, which is why its name is in the cache's keys."""

    worker_count: Annotated[int, Field(ge=0)] = 0  # 0: one per core
    device: Device = "auto"
    extraction_engine: Engine = "local"  # ray: the cluster that RAY_ADDRESS names, or a local one
    # The words before `-m training.run JOB`; none means the interpreter of this installation.
    training_launcher: Words = ()
    evaluation_launcher: Words = ()  # of evaluation and explanation, which run in one process


class Settings(Section):
    """The whole of `params.yaml`."""

    synth: SynthSettings = SynthSettings()
    intake: IntakeSettings = IntakeSettings()
    extraction: ExtractionSettings = ExtractionSettings()
    shards: ShardSettings = ShardSettings()
    clips: ClipSettings = ClipSettings()
    splits: SplitSettings = SplitSettings()
    training: TrainingSettings = TrainingSettings()
    dual_view: DualViewSettings = DualViewSettings()
    experiments: ExperimentSettings = ExperimentSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    explanation: ExplanationSettings = ExplanationSettings()
    release: ReleaseSettings = ReleaseSettings()
    runtime: RuntimeSettings = RuntimeSettings()

    @model_validator(mode="after")
    def _train_on_what_the_split_has(self) -> Self:
        unknown = set(self.experiments.variants or ()) - set(self.splits.variants)
        if unknown:
            raise ValueError(
                f"experiments.variants: {', '.join(sorted(unknown))}; a split by "
                f"{self.splits.protocol} has {', '.join(self.splits.variants)}"
            )
        return self

    @model_validator(mode="after")
    def _split_by_each_protocol_once(self) -> Self:
        if self.splits.protocol in self.release.further_protocols:
            raise ValueError(
                f"release.further_protocols: the split that is trained on is by "
                f"{self.splits.protocol} already; take it out"
            )
        return self

    @model_validator(mode="after")
    def _read_pictures_that_are_cut(self) -> Self:
        if self.dual_view.input == "rgb" and not self.clips.rgb:
            raise ValueError(
                "dual_view.input: rgb reads pictures, which only clips.rgb: true cuts (of people: "
                "restricted); or set it to silhouettes"
            )
        return self

    def section(self, name: str) -> dict[str, Any]:
        """Return one section as plain JSON values, for fingerprints and lineage."""
        section: Section = getattr(self, name)
        return section.model_dump(mode="json")


def read_settings(path: Path) -> Settings:
    """Read and validate `params.yaml`.

    Raises:
        SettingsError: the file is missing, is not YAML, or holds keys or values that are not
            allowed; all of them are named at once.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(
            "no settings file", where=path, fix="run from a workspace or pass --workspace"
        ) from None
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError("not valid YAML", where=path, found=error) from error
    if values is not None and not isinstance(values, dict):
        raise SettingsError("the file must be a mapping of sections", where=path)
    return parse_settings(values or {}, where=path)


def parse_settings(values: dict[str, Any], *, where: object = "params.yaml") -> Settings:
    """Validate plain values as settings; see `read_settings`."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        lines = [_describe(problem) for problem in error.errors()]
        raise SettingsError(
            f"{len(lines)} setting(s) not allowed:\n  " + "\n  ".join(lines) + "\n",
            where=where,
            fix="see docs/params.md for every key with its range",
        ) from error


def _describe(problem: Any) -> str:
    # `Any`: pydantic's ErrorDetails is a TypedDict whose `ctx` is free-form.
    key = ".".join(str(part) for part in problem["loc"]) or "(whole file)"
    if problem["type"] == "extra_forbidden":
        siblings = _allowed_keys(problem["loc"][:-1])
        return f"{key}: unknown key; allowed here: {', '.join(siblings)}"
    message = f"{key}: {problem['msg'].removeprefix('Value error, ')}"
    # Of a whole section the message names what clashes in it.
    return (
        message if isinstance(problem["input"], dict) else f"{message}, found {problem['input']!r}"
    )


def _allowed_keys(location: tuple[Any, ...]) -> list[str]:
    model: type[BaseModel] = Settings
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None or not isinstance(field.annotation, type):
            return ["(none)"]
        if not issubclass(field.annotation, BaseModel):
            return ["(none)"]
        model = field.annotation
    return sorted(model.model_fields)
