"""Makes torchvision importable beside a PyTorch that its compiled ops were not built for.

torchvision's wheel is a CUDA build; beside a CPU-only PyTorch its ops do not load and even
`import torchvision` fails, and with it Ultralytics. Where they load, nothing is touched.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from transforms.errors import MissingDependencyError

if TYPE_CHECKING:
    import torch

_OPERATORS = {
    "torchvision::nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "torchvision::qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def ensure_torchvision_ops() -> bool:
    """Make `torchvision.ops.nms` work; call this before anything else imports torchvision.

    Returns whether torchvision's own ops are in use; else a stand-in written in PyTorch is, for
    non-maximum suppression only. A second call changes nothing.

    Raises:
        MissingDependencyError: torchvision is not installed.
    """
    import torch

    is_stand_in = getattr(torch.ops.torchvision, "nms", None) is not None and not _own_ops_loaded()
    if is_stand_in or _load_own_ops():
        return not is_stand_in
    for name, signature in _OPERATORS.items():
        torch.library.define(name, signature)
        torch.library.impl(name, "CompositeExplicitAutograd", suppress_overlaps)

    import torchvision.ops.boxes

    # torchvision.ops.nms asks this before it calls the operator, which is there now.
    torchvision.ops.boxes._assert_has_ops = lambda: None
    return False


def suppress_overlaps(
    dets: "torch.Tensor", scores: "torch.Tensor", iou_threshold: float
) -> "torch.Tensor":
    """Return the indices of the boxes that non-maximum suppression keeps, best score first.

    Args:
        dets: boxes (box, 4) as x0, y0, x1, y1.
        scores: one score per box; of equal ones the earlier box wins.
        iou_threshold: a box is dropped when it overlaps a kept one by more than this.

    Returns:
        int64 indices (kept,).
    """
    import torch

    order = scores.argsort(descending=True, stable=True)
    boxes = dets.to(torch.float32)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = []
    while order.numel():
        best, rest = order[0], order[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[rest, :2])
        high = torch.minimum(boxes[best, 2:], boxes[rest, 2:])
        overlap = (high - low).clamp(min=0).prod(dim=1)
        iou = overlap / (areas[best] + areas[rest] - overlap)
        order = rest[~(iou > iou_threshold)]  # a NaN (two empty boxes) is no overlap
    return torch.stack(kept) if kept else order


def _load_own_ops() -> bool:
    import importlib.util

    import torch

    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError(
            "torchvision is not installed",
            expected="the extraction extra",
            fix="run `make setup-extraction`",
        )
    for library in sorted(Path(spec.submodule_search_locations[0]).glob("_C.*")):
        try:
            torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]  # torch's gap
        except (OSError, ImportError):
            continue
        return True
    return False


def _own_ops_loaded() -> bool:
    import torch

    return any("torchvision" in str(path) for path in torch.ops.loaded_libraries)
