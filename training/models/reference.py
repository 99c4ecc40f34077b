"""Names of the field's reference checkpoints, translated to ours.

The reference (OpenGait's ScoNet) has 79 state entries; so has ours, in the same order:

    Backbone.forward_block.conv1.conv.*          backbone.stem.conv.*
    Backbone.forward_block.bn1.*                 backbone.stem.norm.*
    Backbone.forward_block.layerK.0.conv1|bn1.*  backbone.blocks.(K-1).first.conv|norm.*
    Backbone.forward_block.layerK.0.conv2|bn2.*  backbone.blocks.(K-1).second.conv|norm.*
    Backbone.forward_block.layerK.0.downsample.0|1.*  backbone.blocks.(K-1).shortcut.conv|norm.*
    FCs.fc_bin                                   projection.weight
    BNNecks.fc_bin, BNNecks.bn1d.*               neck.weight, neck.norm.*
"""

import re
from collections.abc import Mapping
from typing import Final

from torch import Tensor

from transforms.errors import InputError

_BLOCK: Final = r"Backbone\.forward_block\.layer(?P<stage>[1-4])\.0\."
_RULES: Final = (
    (r"Backbone\.forward_block\.conv1\.conv\.(\w+)", r"backbone.stem.conv.\1"),
    (r"Backbone\.forward_block\.bn1\.(\w+)", r"backbone.stem.norm.\1"),
    (_BLOCK + r"conv1\.(\w+)", r"backbone.blocks.STAGE.first.conv.\2"),
    (_BLOCK + r"bn1\.(\w+)", r"backbone.blocks.STAGE.first.norm.\2"),
    (_BLOCK + r"conv2\.(\w+)", r"backbone.blocks.STAGE.second.conv.\2"),
    (_BLOCK + r"bn2\.(\w+)", r"backbone.blocks.STAGE.second.norm.\2"),
    (_BLOCK + r"downsample\.0\.(\w+)", r"backbone.blocks.STAGE.shortcut.conv.\2"),
    (_BLOCK + r"downsample\.1\.(\w+)", r"backbone.blocks.STAGE.shortcut.norm.\2"),
    (r"FCs\.fc_bin", "projection.weight"),
    (r"BNNecks\.fc_bin", "neck.weight"),
    (r"BNNecks\.bn1d\.(\w+)", r"neck.norm.\1"),
)


def translate_reference_name(name: str) -> str:
    """Return our name for a state entry of the reference.

    Raises:
        InputError: the reference's ScoNet has no such entry.
    """
    for pattern, ours in _RULES:
        match = re.fullmatch(pattern, name)
        if match:
            stage = match.groupdict().get("stage")
            return match.expand(ours).replace("STAGE", str(int(stage) - 1) if stage else "")
    raise InputError(
        "not a state entry of the reference's ScoNet",
        expected="names such as Backbone.forward_block.layer1.0.conv1.weight",
        found=name,
    )


def translate_reference_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the reference's state under our names; tensors are shared, not copied.

    Raises:
        InputError: an entry is not one of the reference's ScoNet.
    """
    return {translate_reference_name(name): tensor for name, tensor in state.items()}
