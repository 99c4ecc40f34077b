"""`python -m training.run JOB.json`: one training or evaluation in a process of its own.

Under `torchrun -m training.run JOB.json` several processes train together; the first one speaks,
and any that fails.

Standard output carries one JSON object per line: `{"start": label, "total": n}`,
`{"advance": n, "note": text}`, and on failure `{"error": {...}}` with the fields of the error tree,
its exit code being the process's.
"""

import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.failures import raise_on_termination, translate_failure
from training.job import EvaluationJob, Job, TrainingJob, read_job
from training.launch import read_process_count
from transforms.errors import GaitworksError, SettingsError
from transforms.processes import exit_with_parent
from transforms.progress import Progress


class JsonProgress:
    """Writes progress as JSON lines to standard output."""

    def start(self, label: str, total: int) -> None:
        """Announce a stretch of work."""
        _emit({"start": label, "total": total})

    def advance(self, count: int = 1, note: str = "") -> None:
        """Announce finished units."""
        _emit({"advance": count, "note": note})


def main(arguments: Sequence[str]) -> int:
    """Run the job that the only argument names and return the exit code."""
    exit_with_parent()
    try:
        if len(arguments) != 1:
            raise SettingsError(
                "one job file is needed",
                expected="python -m training.run JOB.json",
                found=f"{len(arguments)} argument(s)",
            )
        run_job(read_job(Path(arguments[0])), JsonProgress())
    except GaitworksError as error:
        return _report(error)
    except Exception as error:
        # The last line of defence: whatever it is, the caller gets an error it can show.
        traceback.print_exc()
        return _report(translate_failure(error))
    return 0


def run_job(job: Job, progress: Progress) -> None:
    """Run a job with deterministic kernels and its settings' number of threads."""
    # cuBLAS reads this when it starts; without it deterministic mode refuses matrix products.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    torch.set_num_threads(job.training.cpu_threads)
    torch.use_deterministic_algorithms(True)
    # That mode also fills fresh memory, to expose kernels that read it; it costs time only.
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010 - no type stub
    device = job.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    process_count = read_process_count()
    if process_count > 1:
        raise_on_termination()
    # Each side loads only what it needs: the loop's Fabric costs evaluation two seconds.
    if isinstance(job, TrainingJob):
        from training.train import run_training

        run_training(job, device=device, progress=progress)
    elif process_count > 1:
        raise SettingsError(
            "only a training can be shared by processes",
            expected="python -m training.run JOB.json",
            found=f"torchrun with {process_count} processes",
        )
    elif isinstance(job, EvaluationJob):
        from training.evaluate import run_evaluation

        run_evaluation(job, device=device, progress=progress)
    else:
        from training.explain import run_explanation

        run_explanation(job, device=device, progress=progress)


def _report(error: GaitworksError) -> int:
    _emit({"error": {"what": error.what, **error.details(), "exit_code": error.exit_code}})
    return error.exit_code


def _emit(event: dict[str, Any]) -> None:
    print(json.dumps(event), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
