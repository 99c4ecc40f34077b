"""Weights as backends see them: files whose bytes are checked in the moment they are read.

Where the files come from and how they get there: `transforms.weights.registry` and its neighbours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transforms.errors import IntegrityError, MissingDependencyError
from transforms.files import sha256_bytes, sha256_file


@dataclass(frozen=True)
class WeightsFile:
    """One file of an entry of the registry."""

    name: str
    sha256: str
    size_bytes: int
    url: str | None = None


@dataclass(frozen=True)
class Weights:
    """One entry of the registry with the folder its files lie in.

    Attributes:
        name: the key in the registry, as `params.yaml` names it.
        kind: `onnx`, `paddle` or `torch`; the last is a pickle, which runs code when it is loaded.
        task: `detect` or `segment`.
        files: what belongs to it; the first one is the model itself.
        directory: where the files lie.
        contract: what goes into the model and what comes out; keys depend on the task.
    """

    name: str
    kind: str
    task: str
    files: tuple[WeightsFile, ...]
    directory: Path
    contract: Mapping[str, Any]  # `Any`: numbers, texts and lists of a TOML table

    def read(self, suffix: str = "") -> bytes:
        """Return the bytes of the file whose name ends so, checked before anybody parses them.

        Raises:
            MissingDependencyError: the file is not there.
            IntegrityError: it is, with other bytes than the registry says.
        """
        item = self._find(suffix)
        path = self.directory / item.name
        try:
            if path.stat().st_size != item.size_bytes:
                self._check(path, item, f"{path.stat().st_size} bytes")
            data = path.read_bytes()
        except FileNotFoundError:
            raise self._missing(path) from None
        self._check(path, item, sha256_bytes(data))
        return data

    def path(self, suffix: str = "") -> Path:
        """Return the path of a file just checked, for libraries that read only by path.

        Raises:
            MissingDependencyError: the file is not there.
            IntegrityError: it is, with other bytes than the registry says.
        """
        item = self._find(suffix)
        path = self.directory / item.name
        if not path.is_file():
            raise self._missing(path)
        self._check(path, item, sha256_file(path))
        return path

    def verify(self) -> None:
        """Check every file; raises as `path` does."""
        for item in self.files:
            self.path(item.name)

    def hashes(self) -> dict[str, str]:
        """Return the registered sha256 of each file by name."""
        return {item.name: item.sha256 for item in self.files}

    def _find(self, suffix: str) -> WeightsFile:
        for item in self.files:
            if item.name.endswith(suffix):
                return item
        raise ValueError(f"{self.name} registers no file {suffix!r}")

    def _missing(self, path: Path) -> MissingDependencyError:
        return MissingDependencyError(
            f"the weights {self.name!r} are not there",
            where=path,
            fix=f"run `gaitworks weights fetch {self.name}`, with `--from DIR` if you have them",
        )

    def _check(self, path: Path, item: WeightsFile, found: str) -> None:
        if found != item.sha256:
            raise IntegrityError(
                "weights that are not the registered ones; nothing has parsed them",
                where=path,
                expected=f"sha256 {item.sha256}",
                found=found,
                fix=f"remove the file and run `gaitworks weights fetch {self.name}`",
            )
