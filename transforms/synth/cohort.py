"""Writing a synthetic cohort: videos, tables and truth, resumable and never over foreign files.

A batch's two CSV files are written last and removed first, so a batch that has both is complete.
"""

import csv
import io
import multiprocessing
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2

from transforms.errors import RefusalError
from transforms.files import sha256_bytes, sha256_file, write_bytes_atomic
from transforms.progress import Progress
from transforms.settings import SynthSettings
from transforms.synth.plan import BatchPlan, RecordingPlan, plan_cohort
from transforms.synth.render import RecordingRenderer
from transforms.synth.truth import (
    RecordingEntry,
    encode_truth,
    holds_truth,
    list_entries,
    read_entry,
    read_tables_entry,
    remove_entry,
    truth_path,
    write_entry,
    write_tables_entry,
)
from transforms.synth.video import encode_video
from transforms.worker_pool import map_in_processes

PARTICIPANTS_CSV: Final = "participants.csv"
RECORDINGS_CSV: Final = "recordings.csv"
VIDEOS: Final = "videos"
_TEMPORARY_PREFIX: Final = ".tmp-"
_NAMED_AT_MOST: Final = 5


@dataclass(frozen=True)
class _Job:
    plan: RecordingPlan
    raw_root: Path
    truth_root: Path


def write_cohort(
    settings: SynthSettings,
    raw_root: Path,
    truth_root: Path,
    *,
    worker_count: int,
    progress: Progress,
) -> int:
    """Write `raw_root/<batch_id>/` and `truth_root/<batch_id>/` for every batch of the cohort.

    Finished recordings of the same plan are kept; what an earlier cohort left is replaced. The
    bytes follow from the settings alone, not from the number of workers.

    Returns:
        How many recordings of an earlier cohort were removed.

    Raises:
        RefusalError: `raw_root` holds something this function did not write, or that was changed
            since; nothing is touched then.
        SettingsError: there are more batches than participants.
    """
    batches = plan_cohort(settings)
    _refuse_foreign_files(raw_root, truth_root)
    former_count = _remove_former_cohort(batches, raw_root, truth_root)
    jobs: list[_Job] = []
    for batch in batches:
        open_plans = [
            plan for plan in batch.recordings if not _is_finished(plan, raw_root, truth_root)
        ]
        if open_plans or not _has_tables(batch, settings, raw_root):
            _withdraw_tables(raw_root / batch.batch_id)
        jobs += [_Job(plan, raw_root, truth_root) for plan in open_plans]

    recording_count = sum(len(batch.recordings) for batch in batches)
    progress.start("synthetic recordings", recording_count)
    kept_count = recording_count - len(jobs)
    if kept_count:
        progress.advance(kept_count, f"{kept_count} kept")
    for position, _ in map_in_processes(_write_recording, jobs, worker_count=worker_count):
        progress.advance(1, jobs[position].plan.recording_id)
    for batch in batches:
        if not _has_tables(batch, settings, raw_root):
            tables = _batch_tables(batch, settings)
            write_tables_entry(truth_root, batch.batch_id, tables)
            for name, data in tables.items():
                write_bytes_atomic(raw_root / batch.batch_id / name, data)
    return former_count


def _video_path(raw_root: Path, batch_id: str, recording_id: str) -> Path:
    return raw_root / batch_id / VIDEOS / f"{recording_id}.mp4"


def _write_recording(job: _Job) -> None:
    if multiprocessing.parent_process() is not None:
        cv2.setNumThreads(1)  # the workers share the cores already
    plan = job.plan
    place = plan.batch_id, plan.recording_id
    video_path = _video_path(job.raw_root, *place)
    # The ledger must never vouch for other bytes than those there: the old video goes first.
    video_path.unlink(missing_ok=True)
    renderer = RecordingRenderer(plan)
    video = encode_video(
        renderer.frames(), fps=plan.fps, width_px=plan.width_px, height_px=plan.height_px
    )
    truth = encode_truth(renderer.truth(), height_px=plan.height_px, width_px=plan.width_px)
    write_bytes_atomic(truth_path(job.truth_root, *place), truth)
    entry = RecordingEntry(plan.fingerprint(), sha256_bytes(video), sha256_bytes(truth))
    write_entry(job.truth_root, *place, entry)
    write_bytes_atomic(video_path, video)


def _is_finished(plan: RecordingPlan, raw_root: Path, truth_root: Path) -> bool:
    place = plan.batch_id, plan.recording_id
    entry = read_entry(truth_root, *place)
    return (
        entry is not None
        and entry.fingerprint == plan.fingerprint()
        and _video_path(raw_root, *place).is_file()  # its hash was compared before
        and holds_truth(truth_root, *place, entry)
    )


def _has_tables(batch: BatchPlan, settings: SynthSettings, raw_root: Path) -> bool:
    """Say whether both CSV files are there with the contents of this plan."""
    for name, data in _batch_tables(batch, settings).items():
        path = raw_root / batch.batch_id / name
        if not path.is_file() or path.read_bytes() != data:
            return False
    return True


def _withdraw_tables(batch_directory: Path) -> None:
    for name in (RECORDINGS_CSV, PARTICIPANTS_CSV):
        (batch_directory / name).unlink(missing_ok=True)


def _refuse_foreign_files(raw_root: Path, truth_root: Path) -> None:
    """Refuse unless every file below `raw_root` is one that the ledger vouches for.

    Hidden files are nobody's data; those that a killed run left are swept. Plain files beside the
    batches (a README) belong to no batch.
    """
    foreign: list[Path] = []
    for entry in sorted(raw_root.glob("*")):
        if entry.name.startswith(".") or (entry.is_file() and not entry.is_symlink()):
            continue
        if entry.is_symlink() or not entry.is_dir():
            foreign.append(entry)
            continue
        foreign += _foreign_files(entry, truth_root)
    if foreign:
        names = [path.relative_to(raw_root).as_posix() for path in foreign[:_NAMED_AT_MOST]]
        more = len(foreign) - len(names)
        raise RefusalError(
            "the folder holds files that are not from the synthetic cohort, or were changed since",
            where=raw_root,
            expected="an empty folder or an unchanged synthetic cohort",
            found=", ".join(names) + (f" and {more} more" if more else ""),
            fix="move them away, or use another workspace for the synthetic cohort",
        )


def _foreign_files(batch_directory: Path, truth_root: Path) -> Iterable[Path]:
    batch_id = batch_directory.name
    tables = read_tables_entry(truth_root, batch_id)
    for path in sorted(batch_directory.rglob("*")):
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            if path.relative_to(batch_directory).as_posix() != VIDEOS:
                yield path
            continue
        if path.parent == batch_directory:
            expected = tables.get(path.name)
        elif path.parent == batch_directory / VIDEOS and path.suffix == ".mp4":
            entry = read_entry(truth_root, batch_id, path.stem)
            expected = entry.video_sha256 if entry else None
        else:
            expected = None
        if path.is_symlink() or expected is None or sha256_file(path) != expected:
            yield path


def _remove_former_cohort(batches: list[BatchPlan], raw_root: Path, truth_root: Path) -> int:
    """Remove recordings and batches that an earlier cohort had and this one has not; count them.

    Everything in `raw_root` is ours by now; see `_refuse_foreign_files`.
    """
    planned = {
        batch.batch_id: {plan.recording_id for plan in batch.recordings} for batch in batches
    }
    present = {
        path.name
        for root in (raw_root, truth_root)
        for path in root.glob("*")
        if path.is_dir() and not path.name.startswith(".")
    }
    former_count = 0
    for batch_id in sorted(present):
        wanted = planned.get(batch_id, set())
        former = [name for name in list_entries(truth_root, batch_id) if name not in wanted]
        if former or batch_id not in planned:
            _withdraw_tables(raw_root / batch_id)
        for recording_id in former:
            _video_path(raw_root, batch_id, recording_id).unlink(missing_ok=True)
            remove_entry(truth_root, batch_id, recording_id)
        former_count += len(former)
        if batch_id not in planned:
            shutil.rmtree(raw_root / batch_id, ignore_errors=True)
            shutil.rmtree(truth_root / batch_id, ignore_errors=True)
            continue
        for root in (raw_root, truth_root):
            for leftover in (root / batch_id).rglob(f"{_TEMPORARY_PREFIX}*"):
                leftover.unlink()
    return former_count


def _batch_tables(batch: BatchPlan, settings: SynthSettings) -> dict[str, bytes]:
    """Return the two CSV files of a batch by name, in the order in which to write them.

    `start_offset_s` is a column only where cameras start apart and somebody noted when.
    """
    participants = [
        {
            "participant_id": person.participant_id,
            "label": person.label,
            "sex": person.sex,
            "age_years": f"{person.age_years:.1f}",
            "height_cm": f"{person.height_cm:.1f}",
            "weight_kg": f"{person.weight_kg:.1f}",
            "site": person.site,
        }
        for person in batch.participants
    ]
    recordings = [
        {
            "recording_id": plan.recording_id,
            "participant_id": plan.participant_id,
            "file": f"{plan.recording_id}.mp4",
            "view": plan.view,
            "session": plan.session,
            "sync_group": plan.sync_group or "",
        }
        | _declare_start(plan, settings)
        for plan in batch.recordings
    ]
    return {PARTICIPANTS_CSV: _to_csv(participants), RECORDINGS_CSV: _to_csv(recordings)}


def _declare_start(plan: RecordingPlan, settings: SynthSettings) -> dict[str, str]:
    if plan.start_offset_s is None or not settings.declares_offsets:
        return {}
    return {"start_offset_s": f"{plan.start_offset_s:.3f}"}


def _to_csv(rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
