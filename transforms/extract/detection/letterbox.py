"""Pictures scaled evenly into a network's input with the rest padded, and boxes on the way back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.errors import InputError, IntegrityError
from transforms.extract.pictures import Picture

PADDING_GREY: Final = 114
"""The grey that YOLO and YOLOX are trained with around pictures."""
_STRIDE_PX: Final = 32


@dataclass(frozen=True)
class Letterbox:
    """Where a picture lies in a network's input."""

    frame_shape: tuple[int, int]  # height, width
    input_shape: tuple[int, int]  # height, width
    top: int
    left: int
    height: int
    width: int

    @classmethod
    def fit(
        cls, frame_shape: tuple[int, int], input_shape: tuple[int, int], *, centred: bool
    ) -> "Letterbox":
        """Scale a picture to the largest size that fits; small ones grow.

        Args:
            frame_shape: height and width of the picture.
            input_shape: height and width of the network's input.
            centred: padding on all sides, not to the right and below only.
        """
        gain = min(input_shape[0] / frame_shape[0], input_shape[1] / frame_shape[1])
        height, width = (max(1, round(side * gain)) for side in frame_shape)
        top = left = 0
        if centred:
            # Half a pixel goes to the far side, as where YOLO was trained.
            top = round((input_shape[0] - height) / 2 - 0.1)
            left = round((input_shape[1] - width) / 2 - 0.1)
        return cls(frame_shape, input_shape, top, left, height, width)

    @property
    def gains(self) -> tuple[float, float]:
        """Pixels of the input per pixel of the picture, down and across; whole pixels differ."""
        return self.height / self.frame_shape[0], self.width / self.frame_shape[1]

    def to_picture(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return boxes of the input as boxes of the picture, clipped to it.

        Args:
            boxes: `(box, 4)` x0, y0, x1, y1.
        """
        moved = (boxes - np.array([self.left, self.top] * 2)) / np.array(self.gains[::-1] * 2)
        limits = np.array(self.frame_shape[::-1] * 2)
        clipped: NDArray[np.float32] = np.clip(moved, 0, limits).astype(np.float32)
        return clipped


class Canvas:
    """A network's input for a run of pictures of one size; the padding is painted only once.

    Attributes:
        tensor: `(picture, channel, height, width)` float32, written in place.
    """

    def __init__(self, letterbox: Letterbox, count: int, *, is_rgb: bool, divisor: float) -> None:
        """Make room for `count` pictures.

        Args:
            letterbox: where they lie.
            count: how many at once.
            is_rgb: the network wants red first; pictures come with blue first.
            divisor: what grey levels are divided by.
        """
        self._letterbox = letterbox
        self._divisor = np.float32(divisor)
        padding = np.float32(PADDING_GREY) / self._divisor
        self.tensor = np.full((count, 3, *letterbox.input_shape), padding)
        rows = slice(letterbox.top, letterbox.top + letterbox.height)
        columns = slice(letterbox.left, letterbox.left + letterbox.width)
        self._inside = self.tensor[:, :: -1 if is_rgb else 1, rows, columns]
        self._planes = [
            np.empty((letterbox.height, letterbox.width), dtype=np.uint8) for _ in range(3)
        ]

    def write(self, slot: int, picture: Picture) -> None:
        """Put a picture into the tensor.

        Raises:
            InputError: it has another size than the letterbox was made for.
        """
        if picture.shape != self._letterbox.frame_shape:
            raise InputError(
                "a picture of another size than the recording's",
                expected=self._letterbox.frame_shape,
                found=picture.shape,
            )
        # Planes first, floats last: half the time of one pass over interleaved channels.
        small = picture.scaled(self._letterbox.height, self._letterbox.width, cv2.INTER_LINEAR)
        cv2.split(small, self._planes)
        for plane, target in zip(self._planes, self._inside[slot], strict=True):
            np.divide(plane, self._divisor, out=target)


def choose_input_shape(
    declared: Sequence[Any], frame_shape: tuple[int, int], input_px: int, *, where: str
) -> tuple[int, int]:
    """Return height and width of the input for pictures of one size.

    The file's own numbers where it has any. A side that is free is made as long as the picture
    needs it when the longer side is `input_px`, in whole strides: what is left out is padding only.

    Args:
        declared: the model's input shape; other than numbers where an axis is free.
        frame_shape: height and width of the pictures.
        input_px: from the weights' contract.
        where: the weights' name, for the error.

    Raises:
        IntegrityError: the model does not take colour pictures, channels first.
    """
    # `Any`: numbers, texts and None.
    if len(declared) != 4 or (isinstance(declared[1], int) and declared[1] != 3):
        raise IntegrityError(
            "a model that does not take colour pictures",
            where=where,
            expected="an input (picture, 3, height, width)",
            found=tuple(declared),
            fix="choose weights that were exported for pictures",
        )
    gain = input_px / max(frame_shape)
    free = (max(1, -(-round(side * gain) // _STRIDE_PX)) * _STRIDE_PX for side in frame_shape)
    height, width = (
        side if isinstance(side, int) else needed
        for side, needed in zip(declared[2:], free, strict=True)
    )
    return height, width
