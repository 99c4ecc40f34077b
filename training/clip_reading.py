"""One or two videos read by a model of clips: aligned, cut as the dataset's are, judged one by one.

A model of one view reads clips of its one video; the other view's place holds the same silhouettes,
which such a model never looks at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch

from training.described_model import DescribedClipModel, open_described_clip_model
from training.explain_clips import map_views
from training.judge_walk import Floats, to_model_input
from training.judgement import Judgement
from training.walk_explanation import WalkExplanation, map_nobody
from training.wish import ModelPlace, Wish
from transforms.dual_view.alignment import CONTRADICTED, Alignment
from transforms.dual_view.cut import SeenWalk, cut_walk
from transforms.dual_view.pairing import VIEWS, Reject
from transforms.dual_view.segments import Clip, cut_video, divide, lay_frames
from transforms.errors import InputError, RefusalError
from transforms.explanation.reference import Reference, find_reference, take_own_mean
from transforms.extract.single import ExtractedWalk
from transforms.labels import LabelScheme
from transforms.settings import ClipSettings

_NAME: Final = "walk"
_NOT_SEEN: Final = {
    "front": ("left_to_right", "right_to_left"),
    "side": ("towards", "away"),
}
"""Ways through the picture that a view does not show; one who walks on the spot has none."""

_WAYS: Final = {
    "left_to_right": "from left to right through the picture",
    "right_to_left": "from right to left through the picture",
    "towards": "towards the camera",
    "away": "away from the camera",
}


@dataclass(frozen=True)
class ClipReader:
    """A model of clips and what its explanation compares with.

    Attributes:
        views: that the model looks at, as its videos do.
        settings: of the clips; length and frames are those of the model's training.
        references: by view, of the dataset, or why there is none.
    """

    described: DescribedClipModel
    views: tuple[str, ...]
    wish: Wish
    settings: ClipSettings
    references: Mapping[str, Reference | str]

    @property
    def scheme(self) -> LabelScheme:
        """Whose classes the model tells apart."""
        return self.described.scheme

    def read(self, walks: Sequence[ExtractedWalk]) -> "ClipReading":
        """Align the views of a walk and cut it into clips.

        Raises:
            InputError: both videos are one file.
            RefusalError: a video shows another view than the model reads it as, nobody said how two
                videos lie to each other and their motion does not tell, or no clip is whole.
        """
        _require_two_files(walks)
        for view, walk in zip(self.views, walks, strict=True):
            _require_view(view, walk, is_only=len(walks) == 1)
        seen = [_see(walk) for walk in walks]
        alignment: Alignment | None = None
        if len(seen) == 1:
            clips, rejects = divide(cut_video(_NAME, seen[0].frames, self.settings))
        else:
            cut = cut_walk(_NAME, seen[0], seen[1], self.wish.offset_s, self.settings)
            if isinstance(cut.alignment, Reject):
                raise _refuse_alignment(cut.alignment, walks)
            alignment, clips, rejects = cut.alignment, cut.clips, cut.rejects
        if not clips:
            raise RefusalError(
                f"not judged: no clip of {self.settings.duration_s:g} s is whole",
                found="; ".join(sorted({reject.reason for reject in rejects})),
                fix="film a longer walk"
                + (", or check --offset" if self.wish.offset_s is not None else ""),
            )
        # A model of one view has one video: it stands in both places.
        shown = [to_model_input(one.silhouettes) for one in (seen[0], seen[-1])]
        stacked = np.stack(
            [
                np.stack(
                    [pixels[clip.of_view(view)] for view, pixels in zip(VIEWS, shown, strict=True)]
                )
                for clip in clips
            ]
        )
        return ClipReading(self, clips, rejects, alignment, stacked[:, :, None])


@dataclass(frozen=True)
class ClipReading:
    """A walk as a model of clips reads it.

    Attributes:
        rejects: parts of the walk that are no clip.
        alignment: of two videos.
        pixels: `(clip, view, 1, frame, 64, 44)` in [0, 1].
    """

    reader: ClipReader
    clips: tuple[Clip, ...]
    rejects: tuple[Reject, ...]
    alignment: Alignment | None
    pixels: Floats

    def judge(self) -> Judgement:
        """Return what the model says of each clip, and their mean, as evaluation judges a walk."""
        model, settings = self.reader.described.model, self.reader.settings
        with torch.inference_mode():
            # One by one, as evaluation does: a batch may round otherwise.
            rows = [
                model(torch.from_numpy(clip[None])).probabilities()[0].numpy()
                for clip in self.pixels
            ]
        windows = np.stack(rows)
        middles_s = [clip.start_s + settings.duration_s / 2 for clip in self.clips]
        return Judgement(
            classes=self.reader.scheme.classes,
            whole=windows.mean(axis=0),
            windows=windows,
            middles_s=np.array(middles_s),
            window_s=settings.duration_s,
            step_s=settings.stride_s,
            frames=tuple(self._count_frames(view) for view in self.reader.views),
        )

    def explain(self, judgement: Judgement) -> list[WalkExplanation]:
        """Return where the answer comes from, in each view that the model reads."""
        reader = self.reader
        most = max(1, reader.wish.frame_cap // self.pixels.shape[3])
        pixels = self.pixels[:most]
        references = {
            view: self._choose_reference(view, pixels[:, VIEWS.index(view), 0])
            for view in reader.views
        }
        known = [references.get(view, references[reader.views[0]]) for view in VIEWS]
        explained = map_views(
            reader.described.model,
            pixels,
            np.stack([one.silhouette for one in known]),
            judgement.predicted,
        )
        label = judgement.classes[judgement.predicted]
        return [
            WalkExplanation(
                maps=map_nobody(view, label, explained.fields[view]),
                weight=explained.weights[view],
                over_time=None,
                reference=references[view],
                frames=self._count_frames(view, most),
            )
            for view in reader.views
        ]

    def describe(self) -> dict[str, Any]:
        """Return how many clips there are, what was left out, and how the videos lie."""
        alignment = self.alignment
        return {
            "clips": {
                "count": len(self.clips),
                "duration_s": self.reader.settings.duration_s,
                "stride_s": self.reader.settings.stride_s,
                "left_out": [reject.reason for reject in self.rejects],
                "alignment": None
                if alignment is None
                else {
                    # The last digits of an estimate differ between kinds of machines.
                    "offset_s": round(alignment.offset_s, 6),
                    "source": alignment.source,
                    "confidence": None
                    if alignment.confidence is None
                    else round(alignment.confidence, 6),
                },
            }
        }

    def _count_frames(self, view: str, most: int | None = None) -> int:
        """Return how many frames of a view the first clips show; clips may share some."""
        return len(np.unique(np.stack([clip.of_view(view) for clip in self.clips[:most]])))

    def _choose_reference(self, view: str, pixels: Floats) -> Reference:
        found = self.reader.references[view]
        if isinstance(found, str):
            return take_own_mean(pixels.reshape(-1, *pixels.shape[-2:]), found)
        return found


def open_clip_reader(place: ModelPlace, wish: Wish, views: tuple[str, ...]) -> ClipReader:
    """Load a model of clips.

    Raises:
        SettingsError: it reads pictures of people, which are not cut here.
        IntegrityError: it is damaged, of another version, or a shard is damaged.
    """
    described = open_described_clip_model(place.directory)
    version = str(described.card["dataset_version"])
    settings = wish.clips.model_copy(
        update={"frames": described.frames, "duration_s": described.duration_s}
    )
    references = {view: find_reference(place.dataset, version, view) for view in views}
    return ClipReader(described, views, wish, settings, references)


def _require_two_files(walks: Sequence[ExtractedWalk]) -> None:
    if len({walk.facts.sha256 for walk in walks}) < len(walks):
        raise InputError(
            "both videos are the same file",
            where=", ".join(walk.file for walk in walks),
            expected="the front and the side view of one walk",
        )


def _require_view(view: str, walk: ExtractedWalk, *, is_only: bool) -> None:
    """Refuse a video that would be read as another view than it shows, as swapped videos are."""
    direction = walk.found.measures.get("direction")
    if direction in _NOT_SEEN[view]:
        fix = (
            f"give the {view} view" if is_only else "give the front view first, then the side view"
        )
        raise RefusalError(
            f"not judged: the video does not show the {view} view that the model reads it as",
            where=walk.file,
            expected=f"a walk seen from the {view}",
            found=f"one who walks {_WAYS[str(direction)]}",
            fix=f"{fix}, or name another --model",
        )


def _see(walk: ExtractedWalk) -> SeenWalk:
    final = walk.final
    kept, fps = final.kept_frames, walk.facts.fps
    if fps is None:
        raise InputError("not a video that can be judged: no frame rate", where=walk.file)
    frames = lay_frames(final.pts_s, walk.times_s, kept, fps)
    return SeenWalk(frames, walk.silhouettes, final.boxes[kept].astype(np.float64))


def _refuse_alignment(reject: Reject, walks: Sequence[ExtractedWalk]) -> RefusalError:
    where = ", ".join(walk.file for walk in walks)
    if reject.reason_code == CONTRADICTED:
        return RefusalError(
            f"not judged: the motion contradicts --offset ({reject.reason_code})",
            where=where,
            found=reject.reason,
            fix="check --offset and that both videos show one walk, the front view first; or leave "
            "it out to have it estimated",
        )
    return RefusalError(
        f"not judged: how the two videos lie to each other is not known ({reject.reason_code})",
        where=where,
        found=reject.reason,
        fix="say with --offset how many seconds after VIDEO's first frame VIDEO2 begins "
        "(negative: before), and give the front view first",
    )
