"""`python -m training.run JOB.json`: one training, evaluation or explanation in its own process.

Under `torchrun -m training.run JOB.json` several processes train together; the first one speaks,
and any that fails.

It tells on standard output, one JSON object per line: `{"start": label, "total": n}`,
`{"advance": n, "note": text}`, `{"log": text}` and, as the last, `{"done": {...}}` or
`{"error": {...}}` with the fields of the error tree, its exit code being the process's. Where
Dagster Pipes is announced, in the environment or by its options, they are Pipes messages.
"""

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.failures import accept_termination, raise_on_termination, translate_failure
from training.history import HISTORY_NAME, parse_history
from training.job import EvaluationJob, Job, TrainingJob, read_job
from training.launch import is_first_process, read_process_count
from training.repeatable import compute_repeatably, prepare_repeatable
from training.reporting import JsonReporter, Reporter, open_reporter, split_arguments
from transforms.errors import GaitworksError, SettingsError
from transforms.processes import exit_with_parent
from transforms.progress import Progress


def main(arguments: Sequence[str]) -> int:
    """Run the job that the only argument names and return the exit code."""
    exit_with_parent()
    accept_termination()
    reporter: Reporter = JsonReporter()
    try:
        words, announced = split_arguments(arguments)
        reporter = open_reporter(announced, is_first_process=is_first_process())
        if len(words) != 1:
            raise SettingsError(
                "one job file is needed",
                expected="python -m training.run JOB.json",
                found=f"{len(words)} argument(s)",
            )
        job = read_job(Path(words[0]))
        facts = run_job(job, reporter)
    except GaitworksError as error:
        reporter.fail(error)
        return error.exit_code
    except Exception as error:
        # The last line of defence: whatever it is, the caller gets an error it can show.
        traceback.print_exc()
        translated = translate_failure(error).with_traceback(error.__traceback__)
        reporter.fail(translated)
        return translated.exit_code
    if is_first_process():
        if isinstance(job, TrainingJob):
            reporter.log(_summarise(job))
        reporter.finish(facts)
    return 0


def run_job(job: Job, progress: Progress) -> dict[str, Any]:
    """Run a job with deterministic kernels and its settings' number of threads.

    Returns:
        What it was computed with: `device` and `process_count`.
    """
    prepare_repeatable()
    import torch

    from training.models.registry import find_model

    is_of_clips = find_model(job.model).reads == "clips"
    threads = (job.dual_view if is_of_clips else job.training).cpu_threads
    compute_repeatably(threads, compiles=job.training.compile_step)
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
    return {"device": device, "process_count": process_count}


def _summarise(job: TrainingJob) -> str:
    """Return how the training ended, from the history it wrote."""
    last = parse_history((job.output / HISTORY_NAME).read_bytes())[-1]
    accuracy = last.selection_accuracy
    judged = "" if accuracy is None else f", selection accuracy {accuracy:.3f}"
    return (
        f"{job.experiment}: {last.step} steps, loss {last.loss:.4g}, "
        f"learning rate {last.learning_rate:.3g}{judged}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
