"""Weights of a 3D ResNet that was trained elsewhere, from a local file into our backbones.

The file is from outside and hostile until proven otherwise: its size is limited, nothing in it is
run, and every entry is checked before any model changes. Nothing is downloaded. The names are those
of the authors' repository (kenshohara/3D-ResNets-PyTorch), with or without `module.` before them:

    conv1, bn1                        stem.conv, stem.norm
    layerK.B.conv1|2|3, bn1|2|3       stages.(K-1).B.reduce|middle|expand .conv, .norm
    layerK.B.downsample.0, .1         stages.(K-1).B.shortcut.conv, .norm
    fc                                left out: its classes are not ours
"""

import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from training.models.dual_view import DualViewClassifier
from transforms.errors import InputError, MissingDependencyError, SettingsError
from transforms.files import read_limited, sha256_bytes

# Four times 3D ResNet-50 in float32 with its momentum, which is what the authors' files hold.
_LARGEST_FILE: Final = 2**30
# Before 2.6 a crafted file could run code in spite of `weights_only` (CVE-2025-32434).
_SAFE_TORCH: Final = (2, 6)
_REAL_NUMBERS: Final = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_PICKLES: Final = (".pth", ".pt")
_SAFETENSORS: Final = ".safetensors"
_LAYERS: Final = {"1": "reduce", "2": "middle", "3": "expand"}
_KINDS: Final = {"conv": "conv", "bn": "norm", "0": "conv", "1": "norm"}
_ENTRY: Final = re.compile(
    r"(?:layer(?P<stage>[1-4])\.(?P<block>\d{1,3})\.)?"
    r"(?:(?P<kind>conv|bn)(?P<number>[1-3])|downsample\.(?P<part>[01]))"
    r"\.(?P<what>weight|bias|running_mean|running_var|num_batches_tracked)"
)
_STEM: Final = "stem.conv.weight"
_COUNTER: Final = ".num_batches_tracked"


def load_pretrained(model: DualViewClassifier, path: Path) -> str:
    """Fill every backbone of a model from a file; its classifiers stay as they are.

    Where the file's first layer reads RGB and a view is a silhouette, its kernels are summed over
    the colours: what it would say of a grey picture. Where one network reads several views, they
    are repeated and divided by the number of views: what it would say of equal views.

    Args:
        model: changed only if the whole file fits.
        path: a `.safetensors`, or a `.pth` or `.pt` of tensors by name, or of a dictionary that
            holds them as `state_dict`.

    Returns:
        The file's sha256, which belongs into the lineage of what is trained from it.

    Raises:
        InputError: the file is no such file, or does not fit the model.
        SettingsError: its name ends otherwise.
        MissingDependencyError: it is not there, or this torch cannot open it safely.
    """
    data = _read_limited(path)
    state = translate_public_state(_parse(data, path), where=path)
    streams = len(model.spec.views) // len(model.backbones)
    fitted = []
    for backbone in model.backbones:
        ours = backbone.state_dict()
        adapted = dict(state)
        if _STEM in adapted:
            adapted[_STEM] = _adapt_stem(adapted[_STEM], model.channel_count, streams)
        # Older files do not count batches; nothing here reads the count.
        counters = {name: ours[name] for name in ours if name.endswith(_COUNTER)}
        _check_fit(counters | adapted, ours, where=path)
        fitted.append(counters | adapted)
    for backbone, entries in zip(model.backbones, fitted, strict=True):
        backbone.load_state_dict(entries)
    return sha256_bytes(data)


def translate_public_state(state: Mapping[str, Tensor], *, where: Path) -> dict[str, Tensor]:
    """Return the published state under the names of our `ResNet3D`, without the classifier.

    Raises:
        InputError: an entry is not one of the authors' bottleneck networks.
    """
    translated = {}
    for name, tensor in state.items():
        public = name.removeprefix("module.")
        if public.startswith("fc."):
            continue
        match = _ENTRY.fullmatch(public)
        ours = match and _translate(match)
        if not ours:
            raise InputError(
                "an entry that no 3D ResNet of bottleneck blocks has",
                where=where,
                expected="names such as layer1.0.conv1.weight",
                found=name[:100],
            )
        translated[ours] = tensor
    return translated


def _translate(match: re.Match[str]) -> str | None:
    stage, block, kind, number, part, what = match.groups()
    inner = f"{_KINDS[part or kind]}.{what}"
    if stage is None:
        return f"stem.{inner}" if number == "1" else None
    return f"stages.{int(stage) - 1}.{int(block)}.{_LAYERS.get(number, 'shortcut')}.{inner}"


def _adapt_stem(weight: Tensor, channel_count: int, view_count: int) -> Tensor:
    """Fit the first layer's `(output, channel, frame, height, width)` to our input."""
    if weight.ndim == 5 and weight.shape[1] == 3 and channel_count == 1:
        weight = weight.sum(dim=1, keepdim=True)
    return torch.cat([weight / view_count] * view_count, dim=1) if view_count > 1 else weight


def _check_fit(found: Mapping[str, Tensor], ours: Mapping[str, Tensor], *, where: Path) -> None:
    missing = sorted(ours.keys() - found.keys())
    unknown = sorted(found.keys() - ours.keys())
    if missing or unknown:
        raise InputError(
            "a network of another depth",
            where=where,
            expected=f"{len(ours)} entries",
            found=f"without {_list(missing)}, with {_list(unknown)} besides",
            fix="choose the architecture that the file was trained with",
        )
    for name, tensor in found.items():
        if tensor.shape != ours[name].shape:
            raise InputError(
                f"{name} has another shape",
                where=where,
                expected=tuple(ours[name].shape),
                found=tuple(tensor.shape),
                fix="choose the architecture that the file was trained with",
            )
        if not name.endswith(_COUNTER) and not (
            tensor.dtype in _REAL_NUMBERS and bool(tensor.float().isfinite().all())
        ):
            raise InputError(f"{name} is not all finite real numbers", where=where)


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:3]) or "none"
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def _read_limited(path: Path) -> bytes:
    try:
        return read_limited(path, _LARGEST_FILE)
    except OSError as error:
        raise MissingDependencyError(
            "the pretrained weights cannot be read", where=path, found=error.strerror
        ) from error
    except ValueError as error:
        raise _too_large(path) from error


def _too_large(path: Path) -> InputError:
    return InputError(
        "the pretrained weights are too large", where=path, expected=f"<= {_LARGEST_FILE} bytes"
    )


def _parse(data: bytes, path: Path) -> Mapping[str, Tensor]:
    if path.suffix == _SAFETENSORS:
        try:
            return load_safetensors(data)
        except SafetensorError as error:
            raise _unreadable(path, error) from error
    if path.suffix not in _PICKLES:
        raise SettingsError(
            "pretrained weights of an unknown kind",
            where=path,
            expected=" or ".join((_SAFETENSORS, *_PICKLES)),
        )
    return _parse_pickle(data, path)


def _parse_pickle(data: bytes, path: Path) -> Mapping[str, Tensor]:
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < _SAFE_TORCH:
        raise MissingDependencyError(
            "this torch cannot open a pickle safely",
            where=path,
            expected=f"torch {'.'.join(map(str, _SAFE_TORCH))}",
            found=torch.__version__,
            fix="convert the file to safetensors, or update torch",
        )
    try:
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                if sum(item.file_size for item in archive.infolist()) > _LARGEST_FILE:
                    raise _too_large(path)
        found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # what a damaged pickle raises is not limited by anything
        raise _unreadable(path, error) from error
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) and _is_plain(value)
        for name, value in found.items()
    ):
        raise _unreadable(path, "something else than dense tensors by name")
    return found


def _is_plain(tensor: Tensor) -> bool:
    # Sparse tensors, and those without values, may say any shape and fail at any use.
    return tensor.layout == torch.strided and tensor.device.type == "cpu"


def _unreadable(path: Path, found: object) -> InputError:
    return InputError(
        "no weights that can be read without running them",
        where=path,
        expected="tensors by name",
        found=" ".join(str(found).split())[:200],
    )
