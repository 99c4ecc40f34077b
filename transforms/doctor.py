"""What is installed on this machine, what works, and the command that mends what does not.

Nothing heavy is imported here: backends are tried by `doctor_probes` in processes of their own.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final, Literal

from transforms import doctor_probes
from transforms.doctor_probes import ProbeOutcome, run_probe

Kind = Literal["python", "library", "backend", "accelerator", "program", "workspace"]
Status = Literal["ok", "missing", "broken"]

_PACKAGE: Final = "gaitworks"
_OLDEST_PYTHON: Final = (3, 11)
_SMALLEST_FREE_BYTES: Final = 5 * 2**30

BASE: Final = "base"
"""What a finding is needed for when nothing works without it."""

_REFERENCE: Final = "reference backends"
_FIXES: Final = {BASE: "make setup", _REFERENCE: "make setup-extraction"}
_CUDA_FIX: Final = 'nvidia-smi  # shows the driver; then see "CUDA" in the README'
_OPENCV_DISTRIBUTIONS: Final = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
_ANTLR_TRIO: Final = ("antlr4-python3-runtime", "hydra-core", "omegaconf")
_REQUIREMENT: Final = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?\s*(==(?P<version>[^;,\s]+))?[^;]*"
    r"(;.*extra\s*==\s*[\"'](?P<extra>[\w-]+)[\"'].*)?"
)


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        name: what was looked at.
        kind: what sort of thing it is.
        status: `missing` where it is not there, `broken` where it is and does not work.
        detail: its version or what is wrong.
        needed_for: `base` where nothing works without it, else what does not.
        fix: the exact command that mends it; empty where all is well or none is known.
    """

    name: str
    kind: Kind
    status: Status
    detail: str
    needed_for: str
    fix: str = ""


@dataclass(frozen=True)
class Requirement:
    """One direct dependency of the project."""

    name: str
    version: str | None
    needed_for: str


@dataclass(frozen=True)
class _Backend:
    name: str
    distributions: tuple[str, ...]
    program: str
    needed_for: str


_BACKENDS: Final = (
    _Backend("torch", ("torch",), doctor_probes.TORCH, BASE),
    _Backend("opencv", ("opencv-python",), doctor_probes.OPENCV, BASE),
    _Backend("pyav", ("av",), doctor_probes.PYAV, BASE),
    _Backend("bytetrack", ("trackers",), doctor_probes.BYTETRACK, BASE),
    _Backend("antlr grammars", _ANTLR_TRIO, doctor_probes.GRAMMARS, BASE),
    _Backend("onnxruntime", ("onnxruntime",), doctor_probes.ONNXRUNTIME, _REFERENCE),
    _Backend("torchvision", ("torchvision",), doctor_probes.TORCHVISION, _REFERENCE),
    _Backend("ultralytics", ("ultralytics", "lap"), doctor_probes.ULTRALYTICS, _REFERENCE),
    _Backend("paddle", ("paddlepaddle",), doctor_probes.PADDLE, _REFERENCE),
    _Backend("paddleseg", ("paddlepaddle", "paddleseg"), doctor_probes.PADDLESEG, _REFERENCE),
)


def diagnose(workspace: Path | None = None) -> list[Finding]:
    """Look at Python, libraries, backends, accelerators, programs and the workspace.

    Takes some seconds, since backends are imported for real, two at a time. Writes nothing and
    reaches for no network.

    Args:
        workspace: the folder with `params.yaml`; by default the current one.
    """
    folder = workspace or Path.cwd()
    with ThreadPoolExecutor(2) as pool:
        cuda = pool.submit(run_probe, doctor_probes.CUDA)
        backends = list(pool.map(_try_backend, _BACKENDS))
    return [
        check_python(sys.version_info[:2]),
        *check_libraries(read_requirements()),
        check_opencv(_installed_version),
        *backends,
        _check_cuda(cuda.result()),
        *_check_programs(),
        *check_workspace(folder, shutil.disk_usage(folder).free),
    ]


def check_python(version: Sequence[int]) -> Finding:
    """Say whether this Python is new enough."""
    oldest = ".".join(map(str, _OLDEST_PYTHON))
    if tuple(version) < _OLDEST_PYTHON:
        detail = f"{'.'.join(map(str, version))}, but {oldest} or newer is needed"
        return Finding("python", "python", "broken", detail, BASE, f"install Python {oldest}")
    return Finding("python", "python", "ok", platform.python_version(), BASE)


def read_requirements() -> list[Requirement]:
    """Return the direct dependencies that this installation of the project declares.

    Development tools are left out; without an installation the list is empty.
    """
    try:
        lines = metadata.requires(_PACKAGE) or []
    except metadata.PackageNotFoundError:
        return []
    return [found for line in lines if (found := parse_requirement(line)) is not None]


def parse_requirement(line: str) -> Requirement | None:
    """Return a line of a package's metadata as a requirement, or None for a tool or ourselves."""
    match = _REQUIREMENT.fullmatch(line.strip())
    if match is None or match["name"] == _PACKAGE or match["extra"] == "dev":
        return None
    return Requirement(match["name"], match["version"], _REFERENCE if match["extra"] else BASE)


def check_libraries(requirements: Sequence[Requirement]) -> list[Finding]:
    """Compare what is installed with what the project declares."""
    if not requirements:
        detail = "the project itself is not installed"
        return [Finding(_PACKAGE, "library", "missing", detail, BASE, _FIXES[BASE])]
    return [_check_library(requirement) for requirement in requirements]


def check_opencv(version_of: Callable[[str], str | None]) -> Finding:
    """Say whether exactly one OpenCV distribution is there: two overwrite each other's files."""
    found = [name for name in _OPENCV_DISTRIBUTIONS if version_of(name) is not None]
    if len(found) < 2:
        return Finding("one opencv", "library", "ok", ", ".join(found) or "none", BASE)
    others = " ".join(name for name in found if name != _OPENCV_DISTRIBUTIONS[0])
    fix = f"{sys.executable} -m pip uninstall -y {others} && {_FIXES[BASE]}"
    return Finding("one opencv", "library", "broken", f"{', '.join(found)} together", BASE, fix)


def check_workspace(folder: Path, free_bytes: int) -> list[Finding]:
    """Say whether the workspace can be written to and how much room and power there is."""
    is_writable = os.access(folder, os.W_OK | os.X_OK)
    has_room = free_bytes >= _SMALLEST_FREE_BYTES
    free = f"{free_bytes / 2**30:.1f} GiB free"
    least = f"at least {_SMALLEST_FREE_BYTES // 2**30} GiB are advised"
    return [
        Finding(
            "workspace",
            "workspace",
            "ok" if is_writable else "broken",
            str(folder) if is_writable else f"{folder} can't be written to",
            BASE,
            "" if is_writable else f"chmod u+rwx {folder}",
        ),
        Finding(
            "disk",
            "workspace",
            "ok" if has_room else "broken",
            free if has_room else f"{free}, {least}",
            "video and shards",
            "" if has_room else f"free space on the disk of {folder}",
        ),
        Finding("cores", "workspace", "ok", f"{_count_cores()} usable", "speed"),
    ]


def _check_library(requirement: Requirement) -> Finding:
    name, needed_for = requirement.name, requirement.needed_for
    version = _installed_version(name)
    fix = _FIXES[needed_for]
    if version is None:
        return Finding(name, "library", "missing", "not installed", needed_for, fix)
    # A build tag such as +cpu says which hardware it is for, not which version it is.
    if requirement.version is not None and version.split("+")[0] != requirement.version:
        detail = f"{version}, but {requirement.version} is pinned"
        return Finding(name, "library", "broken", detail, needed_for, fix)
    return Finding(name, "library", "ok", version, needed_for)


def _try_backend(backend: _Backend) -> Finding:
    absent = [name for name in backend.distributions if _installed_version(name) is None]
    fix = _FIXES[backend.needed_for]
    if absent:
        detail = f"needs {', '.join(absent)}"
        return Finding(backend.name, "backend", "missing", detail, backend.needed_for, fix)
    return judge_backend(backend.name, backend.needed_for, run_probe(backend.program))


def judge_backend(name: str, needed_for: str, outcome: ProbeOutcome) -> Finding:
    """Turn the outcome of a probe into a finding with the command that mends it."""
    if outcome.is_ok:
        return Finding(name, "backend", "ok", outcome.detail, needed_for)
    fix = _FIXES[needed_for]
    if re.search(r"lib(GL|gthread|glib|xcb|X11)\S*\.so", outcome.detail):
        fix = "sudo apt-get install libgl1 libglib2.0-0"
    return Finding(name, "backend", "broken", outcome.detail, needed_for, fix)


def _check_cuda(outcome: ProbeOutcome) -> Finding:
    needed_for = "training on a GPU"
    if not outcome.is_ok:
        return Finding("cuda", "accelerator", "broken", outcome.detail, needed_for, _CUDA_FIX)
    if not outcome.detail:
        fix = _CUDA_FIX if shutil.which("nvidia-smi") else ""  # a GPU is there, unused
        detail = "PyTorch sees no CUDA device; the processor is used"
        return Finding("cuda", "accelerator", "missing", detail, needed_for, fix)
    return Finding("cuda", "accelerator", "ok", outcome.detail, needed_for)


def _check_programs() -> list[Finding]:
    return [
        _check_program("git", "base", "sudo apt-get install git"),
        _check_program("make", "the commands of the README", "sudo apt-get install make"),
    ]


def _check_program(name: str, needed_for: str, fix: str) -> Finding:
    path = shutil.which(name)
    if path is None:
        return Finding(name, "program", "missing", "not on the PATH", needed_for, fix)
    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Finding(name, "program", "broken", str(error), needed_for, fix)
    return Finding(name, "program", "ok", answer.stdout.splitlines()[0].strip(), needed_for)


def _installed_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _count_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
