"""One video through intake's probe and extraction outside of any batch, as the dataset holds it.

Rules, limits, gates and a person's word are those of batches; nothing is kept on disk.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from transforms.errors import GaitworksError, InputError, RefusalError
from transforms.extract.overrides import Override, apply_override
from transforms.extract.registry import Resources, build_backends, check_backends
from transforms.extract.result import ACCEPTED, FAILED, QUARANTINED, RecordingResult
from transforms.extract.task import extract_in_worker
from transforms.intake.probe import ProbeResult, VideoFacts
from transforms.intake.probe_workers import probe_videos
from transforms.intake.problems import is_warning
from transforms.processes import spare_collector
from transforms.settings import ExtractionSettings, IntakeSettings, ShardSettings
from transforms.shards.codec import GREY, decode_silhouettes, encode_silhouettes, recode
from transforms.shards.part import CODEC_OF, kept_columns
from transforms.stopwatch import Stopwatch

_SHOWN_TRACKS: Final = 8
_WHO: Final = "the command line"


@dataclass(frozen=True)
class WalkRequest:
    """A video and what is done with it.

    Attributes:
        video: any path.
        resources: weights and devices of the backends.
        accepted_track: the participant's track where a person has chosen it, as `N@TRACKS_ID`.
        is_accepted: a person takes the walk although the quality gates refuse it.
    """

    video: Path
    intake: IntakeSettings
    extraction: ExtractionSettings
    shards: ShardSettings
    resources: Resources
    accepted_track: str | None = None
    is_accepted: bool = False


@dataclass(frozen=True)
class ExtractedWalk:
    """What became of a video.

    Attributes:
        file: the video's name.
        facts: as intake measures them.
        warnings: what intake would warn of.
        found: what extraction found, before the verdict took effect.
        final: after it took effect, a person's decision included.
        silhouettes: `(frame, 64, 44 or 64)` uint8 as the dataset would hold them; none where not
            accepted.
        times_s: `(frame,)` of the silhouettes.
        runtimes: library, version and device by backend.
        seconds: by stage; see `transforms.stopwatch`.
    """

    file: str
    facts: VideoFacts
    warnings: tuple[str, ...]
    found: RecordingResult
    final: RecordingResult
    silhouettes: NDArray[np.uint8]
    times_s: NDArray[np.float64]
    runtimes: Mapping[str, str]
    seconds: Mapping[str, float]

    def after(self, stage: str, seconds: float) -> Self:
        """Return the same after an earlier stage that took so long."""
        return replace(self, seconds={stage: seconds, **self.seconds})


def extract_walk(request: WalkRequest) -> ExtractedWalk:
    """Take one video through probe, extraction and the dataset's form of silhouettes.

    Raises:
        InputError: intake would refuse the video.
        SettingsError: see `check_backends`, as for the next two.
        MissingDependencyError: a backend or its weights are not there.
        IntegrityError: weights are not the registered ones.
    """
    clock = Stopwatch()
    with ThreadPoolExecutor(1) as thread:
        # The probe's process reads the file while this one loads libraries and models.
        probing = thread.submit(_probe, request.video, request.intake)
        with clock.stage("load backends"), spare_collector():
            runtimes = check_backends(request.extraction, request.resources)
            backends = build_backends(request.extraction, request.resources)
        with clock.stage("probe"):
            probe = probing.result()
    _refuse_faults(request.video, probe)
    found = extract_in_worker(
        request.video,
        request.extraction,
        backends,
        chosen_track=request.accepted_track,
        cache_bytes=request.resources.frame_cache_bytes,
        clock=clock,
    )
    final = apply_override(found, _decide(request))
    return ExtractedWalk(
        file=request.video.name,
        facts=probe.facts,
        warnings=tuple(fault.say() for fault in probe.faults),
        found=found,
        final=final,
        silhouettes=store_silhouettes(final.silhouettes, request.shards),
        times_s=final.pts_s[final.kept_frames],
        runtimes=runtimes,
        seconds=clock.seconds,
    )


def store_silhouettes(silhouettes: NDArray[np.uint8], settings: ShardSettings) -> NDArray[np.uint8]:
    """Return normalised silhouettes `(frame, 64, 64)` uint8 as a dataset's shards give them back.

    They go through the shards' own encoding, so that there is one rule for cut and threshold.
    """
    if not len(silhouettes):
        return silhouettes[:, :, slice(*kept_columns(settings))]
    count, height, width = silhouettes.shape
    codec, columns = CODEC_OF[settings.codec], kept_columns(settings)
    data = recode(
        encode_silhouettes(silhouettes, GREY, 1),
        GREY,
        (count, height, width),
        columns=columns,
        to=codec,
        level=1,
    )
    return decode_silhouettes(data, codec, (count, height, columns[1] - columns[0]))


def require_accepted(walk: ExtractedWalk, *, track_option: str = "--accept-track") -> None:
    """Make sure that there is a walk to judge.

    Args:
        walk: what became of a video.
        track_option: by which a person says who the participant is.

    Raises:
        RefusalError: it is not sure who the participant is, or the quality gates refuse the walk.
        InputError: extraction did not get through the video.
        GaitworksError: likewise, for a reason of the moment.
    """
    final = walk.final
    if final.verdict == ACCEPTED:
        return
    tracks = describe_tracks(final)
    if final.verdict == FAILED:
        kind = GaitworksError if final.is_about_the_moment else InputError
        raise kind(
            f"not judged: extraction did not get through the video ({final.reason_code})",
            where=walk.file,
            found=final.reason,
            fix="run again" if final.is_about_the_moment else "copy or film it again",
        )
    if final.verdict == QUARANTINED:
        raise RefusalError(
            f"not judged: it is not sure who the participant is ({final.reason_code})",
            where=walk.file,
            expected=final.reason,
            found=f"{len(final.tracks)} track(s){tracks}",
            fix=f"name the participant's track with {track_option}, such as "
            f"{_example_track(final)}; with --output a page shows who walked where"
            if final.tracks
            else "film a walk in which the whole person can be seen",
        )
    has_frames = len(walk.found.kept_frames) > 0
    raise RefusalError(
        f"not judged: the quality gates refuse the walk ({final.reason_code})",
        where=walk.file,
        found=f"{final.reason}; {len(walk.found.kept_frames)} of {len(final.pts_s)} frames "
        f"usable; {len(final.tracks)} track(s){tracks}",
        fix="film it again; --anyway judges it all the same, and says so"
        if has_frames
        else "film it again",
    )


def describe_tracks(result: RecordingResult) -> str:
    """Return the people of a recording as text for a message, the longest walks first."""
    rows = sorted(result.tracks, key=lambda row: (-row["frame_count"], row["track_id"]))
    said = [
        f"{row['track_id']}@{result.tracks_id} in frames {row['first_frame']} to "
        f"{row['last_frame']}, way {row['travel_px']:.0f} px"
        for row in rows[:_SHOWN_TRACKS]
    ]
    more = f"; {len(rows) - len(said)} more" if len(rows) > len(said) else ""
    return f": {'; '.join(said)}{more}" if said else ""


def _example_track(result: RecordingResult) -> str:
    longest = max(result.tracks, key=lambda row: (row["frame_count"], -row["track_id"]))
    return f"{longest['track_id']}@{result.tracks_id}"


def _decide(request: WalkRequest) -> Override | None:
    """Return the decision that a batch's ledger would hold."""
    if not request.is_accepted and request.accepted_track is None:
        return None
    return Override("accept", _WHO, "asked for", request.accepted_track)


def _probe(video: Path, settings: IntakeSettings) -> ProbeResult:
    (found,) = probe_videos([video], settings, worker_count=1)
    return found[1]


def _refuse_faults(video: Path, probe: ProbeResult) -> None:
    faults = [fault for fault in probe.faults if not is_warning(fault.code)]
    if faults:
        first = faults[0]
        raise InputError(
            f"not a video that can be judged: {first.message} ({first.code})",
            where=video.name,
            expected=first.expected,
            found=first.found,
            fix="the rules are those of intake, `intake` in params.yaml",
        )
