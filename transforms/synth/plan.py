"""What a synthetic cohort consists of: each recording as a value from which its video follows.

Nothing is drawn while rendering: equal plans give equal files, and a changed plan is noticed.
"""

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np

from transforms.errors import SettingsError
from transforms.files import canonical_json, sha256_bytes
from transforms.settings import SynthSettings
from transforms.synth.body import Outfit
from transforms.synth.bystander import draw_bystander
from transforms.synth.camera import Camera, place_front_camera, place_side_camera
from transforms.synth.deformity import EFFECTS
from transforms.synth.demographics import STATISTICS, count_females
from transforms.synth.draws import draw_between, generator_for
from transforms.synth.identity import Identity, draw_identity
from transforms.synth.outfit import draw_outfit
from transforms.synth.posture import UPRIGHT
from transforms.synth.scene import Lighting, Room, draw_lighting, draw_room
from transforms.synth.variation import Strides, draw_uneven_strides
from transforms.synth.walker import Gait, Path, Physique

_FORMAT: Final = "synthetic-recording/1"  # raise when equal plans give other bytes
_SIDE_DISTANCE_M: Final = 7.5


@dataclass(frozen=True)
class Actor:
    """A person in a recording."""

    physique: Physique
    gait: Gait
    path: Path
    outfit: Outfit
    strides: Strides | None = None  # None: every one is like every other


@dataclass(frozen=True)
class RecordingPlan:
    """Everything one video depends on; the participant is the first actor."""

    recording_id: str
    participant_id: str
    batch_id: str
    view: Literal["front", "side"]
    session: str
    sync_group: str | None
    width_px: int
    height_px: int
    fps: int
    frame_count: int
    camera: Camera
    room: Room
    lighting: Lighting
    actors: tuple[Actor, ...]
    pixel_seed: int
    start_offset_s: float | None = None  # after the sync group's clock; None: there is no clock

    def fingerprint(self) -> str:
        """Return a hash over everything the video depends on.

        What plans did not have when the first cohorts were made is left out where it is at rest,
        so that those cohorts are still known to be finished.
        """
        values: dict[str, Any] = asdict(self)
        if self.start_offset_s is None:
            del values["start_offset_s"]
        for actor, drawn in zip(self.actors, values["actors"], strict=True):
            if actor.strides is None:
                del drawn["strides"]
            if actor.gait.posture == UPRIGHT:
                del drawn["gait"]["posture"]
        return sha256_bytes(canonical_json({"format": _FORMAT, **values}))


@dataclass(frozen=True)
class BatchPlan:
    """One intake batch: its participants and their recordings, sorted by id."""

    batch_id: str
    participants: tuple[Identity, ...]
    recordings: tuple[RecordingPlan, ...]


def plan_participants(seed: int, counts: dict[str, int]) -> list[Identity]:
    """Draw the participants of each class, class by class; ids are random pseudonyms.

    A participant does not change when the count of any class does, apart from the sex, which meets
    the published ratio exactly.
    """
    participants: list[Identity] = []
    taken: set[str] = set()
    for label in sorted(counts, key=list(STATISTICS).index):
        count = counts[label]
        ranks = [generator_for(seed, "sex", label, index).random() for index in range(count)]
        females = set(np.argsort(ranks)[: count_females(STATISTICS[label], count)].tolist())
        for index in range(count):
            rng = generator_for(seed, "participant", label, index)
            participant_id = draw_pseudonym(rng, taken)
            taken.add(participant_id)
            sex = "F" if index in females else "M"
            participants.append(draw_identity(participant_id, label, sex, rng))
    return participants


def plan_cohort(settings: SynthSettings) -> list[BatchPlan]:
    """Return the plan of every batch of the cohort.

    Raises:
        SettingsError: there are more batches than participants.
    """
    counts: dict[str, int] = {str(label): n for label, n in settings.participants.items()}
    participants = plan_participants(settings.seed, counts)
    if settings.batches > len(participants):
        raise SettingsError(
            "more batches than participants",
            where="synth.batches",
            expected=f"at most {len(participants)}",
            found=settings.batches,
            fix="lower synth.batches",
        )
    sessions = [(person, 1) for person in participants]
    again = _choose(settings.seed, "second", participants, settings.second_session_fraction)
    sessions += [(person, 2) for index, person in enumerate(participants) if index in again]
    watched = _choose(settings.seed, "bystander", sessions, settings.bystander_fraction)
    batch_of = {
        person.participant_id: f"batch_{index % settings.batches + 1:03d}"
        for index, person in enumerate(participants)
    }
    recordings = [
        plan
        for index, (person, session) in enumerate(sessions)
        for plan in _plan_session(
            settings, person, batch_of[person.participant_id], session, index in watched
        )
    ]
    return [
        BatchPlan(
            batch_id=batch_id,
            participants=tuple(
                sorted(
                    (p for p in participants if batch_of[p.participant_id] == batch_id),
                    key=lambda person: person.participant_id,
                )
            ),
            recordings=tuple(
                sorted(
                    (plan for plan in recordings if plan.batch_id == batch_id),
                    key=lambda plan: plan.recording_id,
                )
            ),
        )
        for batch_id in sorted(set(batch_of.values()))
    ]


def plan_walk(
    identity: Identity, rng: np.random.Generator, *, duration_s: float, aspect: float
) -> tuple[Path, float]:
    """Plan a walk across the scene and return it with the participant's share of the frame height.

    The side camera sees the participant at 42 to 72 % of the height; within that the share is the
    one with which the natural speed takes the walker from one edge to the other in time. Where the
    recording is longer than that, the walker turns outside the picture and comes back.

    Args:
        identity: who walks.
        rng: for start, end and phase.
        duration_s: length of the recording.
        aspect: width / height of the side camera's frame.
    """
    first, last = draw_between(rng, -0.13, 0.12), draw_between(rng, 0.88, 1.08)
    speed = identity.natural_speed_m_s
    stature_m = identity.physique.stature_m
    scene_m = speed * duration_s / (last - first)
    share = float(np.clip(stature_m * aspect / scene_m, 0.42, 0.72))
    scene_m = stature_m * aspect / share
    if speed * duration_s > scene_m * (last - first) + 1e-6:
        # Turns lie outside the picture; the start lies anywhere on the first fifth of the way.
        first, last = -0.14, 1.14
        length_m = (last - first) * scene_m
        start_s = -draw_between(rng, 0.0, 0.2) * length_m / speed
    else:
        length_m, start_s = None, 0.0
    path = Path(
        x_start_m=(first - 0.5) * scene_m,
        y_m=0.0,
        direction=1,
        speed_m_s=speed,
        start_s=start_s,
        length_m=length_m,
        phase_start=draw_between(rng, 0.0, 1.0),
    )
    return path, share


def place_camera(
    view: str,
    path: Path,
    *,
    stature_m: float,
    share: float,
    duration_s: float,
    width_px: int,
    height_px: int,
    rng: np.random.Generator,
) -> Camera:
    """Place the camera for a view so that the walker stays within 40 to 75 % of the height."""
    height_m = draw_between(rng, 0.9, 1.2)
    floor_px = height_px * draw_between(rng, 0.90, 0.95)
    if view == "side":
        return place_side_camera(
            px_per_m=share * height_px / stature_m,
            distance_m=_SIDE_DISTANCE_M,
            height_m=height_m,
            floor_px=floor_px,
            width_px=width_px,
        )
    way_m = path.speed_m_s * duration_s if path.length_m is None else path.length_m
    return place_front_camera(
        x_far_m=path.x_start_m,
        x_near_m=path.x_start_m + way_m,
        far_px_per_m=draw_between(rng, 0.41, 0.46) * height_px / stature_m,
        near_px_per_m=draw_between(rng, 0.68, 0.74) * height_px / stature_m,
        height_m=height_m,
        floor_px=floor_px,
        width_px=width_px,
    )


def _plan_session(
    settings: SynthSettings, person: Identity, batch_id: str, session: int, is_watched: bool
) -> list[RecordingPlan]:
    """Plan one walk as seen by every camera, each of which starts at a moment of its own."""
    key = (person.participant_id, session)
    rng = generator_for(settings.seed, "session", *key)
    width_px, height_px = settings.frame_width_px, settings.frame_height_px
    walk_s = settings.duration_s + settings.start_spread_s
    path, share = plan_walk(person, rng, duration_s=walk_s, aspect=width_px / height_px)
    if rng.random() < 0.5 and "front" not in settings.views:  # to the front camera there is one way
        path = Path(**{**asdict(path), "x_start_m": -path.x_start_m, "direction": -1})
    rooms = {view: draw_room(settings.seed, person.site, view) for view in settings.views}
    surfaces = [colour for room in rooms.values() for colour in (room.wall, room.floor)]
    outfit = draw_outfit(rng, person.sex, surfaces)
    strides = _draw_strides(settings, person, session, walk_s)
    actors = [Actor(person.physique, person.gait, path, outfit, strides)]
    if is_watched:
        other = draw_bystander(rng, path, duration_s=walk_s, surfaces=surfaces)
        actors.append(Actor(*other))
    plans: list[RecordingPlan] = []
    for view in sorted(set(settings.views)):
        recording_id = f"{person.participant_id}_s{session}_{view}"
        view_rng = generator_for(settings.seed, "view", *key, view)
        camera = place_camera(
            view,
            path,
            stature_m=person.physique.stature_m,
            share=share,
            duration_s=walk_s,
            width_px=width_px,
            height_px=height_px,
            rng=view_rng,
        )
        plans.append(
            RecordingPlan(
                recording_id=recording_id,
                participant_id=person.participant_id,
                batch_id=batch_id,
                view=view,
                session=f"s{session}",
                sync_group=f"{person.participant_id}_s{session}" if len(rooms) > 1 else None,
                width_px=width_px,
                height_px=height_px,
                fps=settings.fps,
                frame_count=round(settings.duration_s * settings.fps),
                camera=camera,
                room=rooms[view],
                lighting=draw_lighting(view_rng),
                actors=tuple(actors),
                pixel_seed=int(view_rng.integers(2**32)),
                start_offset_s=draw_start(settings.seed, settings.start_spread_s, *key, view),
            )
        )
    return plans


def draw_start(
    seed: int, spread_s: float, participant_id: str, session: int, view: str
) -> float | None:
    """Draw when a camera starts, in whole milliseconds after its clock; None without a spread."""
    if spread_s == 0:
        return None
    rng = generator_for(seed, "start", participant_id, session, view)
    return round(draw_between(rng, 0.0, spread_s), 3)


def _draw_strides(
    settings: SynthSettings, person: Identity, session: int, walk_s: float
) -> Strides | None:
    """Draw the strides where they matter: of patients, and where clocks are to be compared."""
    if person.label not in EFFECTS and settings.start_spread_s == 0:
        return None
    rng = generator_for(settings.seed, "strides", person.participant_id, session)
    return draw_uneven_strides(rng, person.gait.stride_hz, walk_s)


def draw_pseudonym(rng: np.random.Generator, taken: set[str]) -> str:
    """Draw an id that nobody has yet."""
    while True:
        pseudonym = f"p{int(rng.integers(2**32)):08x}"
        if pseudonym not in taken:
            return pseudonym


def _choose(seed: int, name: str, items: list[Any], fraction: float) -> set[int]:
    # `Any`: participants or (participant, session) pairs; only their number matters.
    ranks = [generator_for(seed, name, index).random() for index in range(len(items))]
    return set(np.argsort(ranks)[: round(fraction * len(items))].tolist())
