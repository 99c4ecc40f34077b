"""What a person may choose for one run in the launchpad: nothing here changes a result.

What does change results stays in `params.yaml` and is recorded in every manifest.
"""

from enum import Enum
from functools import cached_property
from typing import get_args

from dagster import Config
from pydantic import Field

from assets.workspace import PARAMS_NAME, Workspace
from transforms.settings import Device, Settings, read_settings

ComputeDevice = Enum("ComputeDevice", {name: name for name in get_args(Device)})  # type: ignore[misc]


class StageChoices(Config):
    """What each step of a run can be told."""

    force: bool = Field(
        default=False,
        description=(
            "Build the output again even if nothing it depends on has changed. Equal inputs give "
            "equal bytes, so this costs time and changes nothing, unless files were damaged."
        ),
    )


class RunWorkspace(Workspace):
    """The workspace as one run uses it: the runtime settings may differ from `params.yaml`."""

    worker_count: int | None = Field(
        default=None,
        ge=0,
        description=(
            "How many processes work on one step; 0 is one per core. Fewer leave room for other "
            "work on the machine. The default is `runtime.worker_count` of params.yaml."
        ),
    )
    device: ComputeDevice | None = Field(
        default=None,
        description=(
            "Where models compute: auto takes a GPU where there is one. The default is "
            "`runtime.device` of params.yaml."
        ),
    )

    @cached_property
    def settings(self) -> Settings:
        """The validated settings with this run's choices in place of the runtime's."""
        settings = read_settings(self.path / PARAMS_NAME)
        device = None if self.device is None else self.device.value
        chosen = {"worker_count": self.worker_count, "device": device}
        given = {name: value for name, value in chosen.items() if value is not None}
        runtime = settings.runtime.model_copy(update=given)
        return settings.model_copy(update={"runtime": runtime})
