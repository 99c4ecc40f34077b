"""`weights.toml` as one frozen, validated value: which weights there are and what they must be.

Where their files lie and how they get there does not belong here: see `store` and `fetch`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from transforms.errors import SettingsError
from transforms.settings_section import Licence, Name, Section
from transforms.weights.addresses import refuse_address
from transforms.weights.verified import Weights, WeightsFile

REGISTRY_NAME: Final = "weights.toml"
STORE_NAME: Final = "weights"
PART_SUFFIX: Final = ".part"

Size = Annotated[int, Field(ge=1, le=8192)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
PerChannel = tuple[Finite, Finite, Finite]

_FAMILIES: Final = {"detect": ("yolo", "yolox"), "segment": ("pphumanseg", "yolo_seg")}

# What backends ask for by suffix must be there exactly once; the first is the model itself.
_SUFFIXES: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "onnx": ((".onnx",),),
    "paddle": ((".pdmodel", ".json"), (".pdiparams",)),
    "torch": ((".pt",),),
}


class DetectContract(Section):
    """A detector of the YOLO or YOLOX family with a square input."""

    family: Literal["yolo", "yolox"]
    input_px: Size
    person_class: Annotated[int, Field(ge=0)]


class YoloSegContract(Section):
    """A YOLO with masks."""

    family: Literal["yolo_seg"]
    input_width_px: Size
    input_height_px: Size
    person_class: Annotated[int, Field(ge=0)]


class HumanSegContract(Section):
    """A network that gives a probability per pixel; it reads `(v / 255 - mean) / std`."""

    family: Literal["pphumanseg"]
    input_width_px: Size
    input_height_px: Size
    mean: PerChannel
    std: PerChannel
    colour: Literal["rgb", "bgr"]
    person_channel: Annotated[int, Field(ge=0)]

    @field_validator("std")
    @classmethod
    def _can_be_divided_by(cls, std: PerChannel) -> PerChannel:
        if min(std) <= 0:
            raise ValueError("must be positive")
        return std


Contract = Annotated[
    DetectContract | YoloSegContract | HumanSegContract, Field(discriminator="family")
]


class FileEntry(Section):
    """One file: what it is called in the store and which bytes it must have."""

    # A plain name: no way out of the folder, nothing hidden.
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$", max_length=128)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, Field(ge=1, le=2**40)]
    url: str | None = None

    @field_validator("name")
    @classmethod
    def _is_no_unfinished_download(cls, name: str) -> str:
        if name.endswith(PART_SUFFIX):
            raise ValueError(f"{PART_SUFFIX} is kept for unfinished downloads")
        return name

    @field_validator("url")
    @classmethod
    def _is_safe(cls, url: str | None) -> str | None:
        if url is not None and (reason := refuse_address(url)):
            raise ValueError(reason)
        return url


class Entry(Section):
    """One entry of the registry."""

    kind: Literal["onnx", "paddle", "torch"]
    task: Literal["detect", "segment"]
    licence: Licence
    source: Annotated[str, Field(pattern=r"^https://[!-~]+$")]  # a page for people
    note: Annotated[str, Field(max_length=500)] = ""
    contract: Contract
    files: Annotated[tuple[FileEntry, ...], Field(max_length=32)]

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(file.size_bytes for file in self.files)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.contract.family not in _FAMILIES[self.task]:
            raise ValueError(
                f"the family {self.contract.family!r} does not {self.task}; "
                f"those that do: {', '.join(_FAMILIES[self.task])}"
            )
        names = [file.name for file in self.files]
        if len({name.casefold() for name in names}) != len(names):
            raise ValueError("two files have the same name")
        first, *_ = required = _SUFFIXES[self.kind]
        for suffixes in required:
            if sum(name.endswith(suffixes) for name in names) != 1:
                raise ValueError(f"{self.kind} needs exactly one file {' or '.join(suffixes)}")
        if not names[0].endswith(first):
            raise ValueError(f"the model ({' or '.join(first)}) must be the first file")
        return self


class _File(Section):
    weights: Annotated[dict[Name, Entry], Field(default_factory=dict)]


@dataclass(frozen=True)
class Registry:
    """All weights that settings may name.

    Attributes:
        path: the file it was read from, which need not exist.
        entries: what it holds, sorted by name.
    """

    path: Path
    entries: Mapping[str, Entry]

    def entry(self, name: str) -> Entry:
        """Return one entry.

        Raises:
            SettingsError: there is no such name.
        """
        if name in self.entries:
            return self.entries[name]
        raise SettingsError(
            f"no weights named {name!r} are registered",
            where=self.path,
            expected=" or ".join(self.entries) or "an entry of this name",
            found=None if self.entries or self.path.exists() else "no such file",
            fix="correct the name, or add an entry as docs/weights.md describes",
        )

    def weights(self, name: str, store_root: Path) -> Weights:
        """Return one entry as backends take it, with its folder below `store_root`.

        Raises:
            SettingsError: there is no such name.
        """
        entry = self.entry(name)
        return Weights(
            name=name,
            kind=entry.kind,
            task=entry.task,
            files=tuple(WeightsFile(**file.model_dump()) for file in entry.files),
            directory=store_root / name,
            contract=entry.contract.model_dump(),
        )


def read_registry(path: Path) -> Registry:
    """Read and validate `weights.toml`; a file that is not there is an empty registry.

    Raises:
        SettingsError: the file is not TOML, or holds keys or values that are not allowed; all of
            them are named at once.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        values = {}
    except (ValueError, RecursionError) as error:
        raise SettingsError("not valid TOML", where=path, found=error) from error
    try:
        entries = _File.model_validate(values).weights
    except ValidationError as error:
        lines = [_describe(problem) for problem in error.errors()]
        raise SettingsError(
            f"{len(lines)} value(s) not allowed:\n  " + "\n  ".join(lines) + "\n",
            where=path,
            fix="see docs/weights.md for every key",
        ) from error
    return Registry(path, dict(sorted(entries.items())))


def _describe(problem: Any) -> str:
    # `Any`: pydantic's ErrorDetails is a TypedDict whose `ctx` is free-form.
    location = [str(part) for part in problem["loc"]]
    if len(location) > 3 and location[2] == "contract":
        location.pop(3)  # pydantic names the family here, which is no key of the file
    key = ".".join(location) or "(whole file)"
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key; allowed here: {', '.join(_allowed_keys(problem['loc']))}"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "missing":
        return f"{key}: missing"
    if isinstance(problem["input"], dict):
        return f"{key}: {message}"
    return f"{key}: {message}, found {problem['input']!r}"


def _allowed_keys(location: tuple[Any, ...]) -> list[str]:
    models: dict[str, type[BaseModel]] = {
        "yolo": DetectContract,
        "yolox": DetectContract,
        "yolo_seg": YoloSegContract,
        "pphumanseg": HumanSegContract,
    }
    match location:
        case (_,):
            model: type[BaseModel] = _File
        case (_, _, _):
            model = Entry
        case (_, _, "files", *_):
            model = FileEntry
        case _:
            model = models[location[3]]
    return sorted(model.model_fields)
