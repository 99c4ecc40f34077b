"""Where extraction's tasks run: in processes of this machine, or on a Ray cluster.

Either way a task whose worker dies is tried again, and the results are the same bytes.
"""

from collections.abc import Generator, Sequence
from typing import Final

from transforms.extract.task import Outcome, Task, run_task
from transforms.settings import Engine
from transforms.worker_pool import Limits, Lost, map_in_workers

_ATTEMPTS: Final = 3


def run_tasks(
    tasks: Sequence[Task], *, engine: Engine, worker_count: int
) -> Generator[tuple[int, Outcome | Lost], None, None]:
    """Yield `(position, outcome)` as tasks finish, in any order; closed, it ends its processes.

    Raises:
        MissingDependencyError: the engine is not installed.
        GaitworksError: workers do not even start.
    """
    if engine == "ray":
        from transforms.extract.ray_engine import run_on_ray

        yield from run_on_ray(tasks, attempts=_ATTEMPTS)
    elif worker_count <= 1:
        for position, task in enumerate(tasks):
            yield position, run_task(task)
    else:
        yield from map_in_workers(
            run_task, tasks, worker_count=worker_count, limits=Limits[Task](attempts=_ATTEMPTS)
        )
