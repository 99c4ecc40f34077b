"""A release is the same on every machine: from the videos on, with other surroundings."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.workspaces import change_params, gaitworks


@pytest.mark.proof
@pytest.mark.timeout(1200)
def test_a_release_made_from_the_same_videos_elsewhere_has_the_same_bytes(
    reference: Path,
    workspace_with_cohort: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elsewhere = workspace_with_cohort("else where")
    change_params(elsewhere, "runtime", worker_count=2)
    for name, value in {
        "LC_ALL": "C",
        "TZ": "Pacific/Kiritimati",
        "PYTHONHASHSEED": "7",
        "POLARS_MAX_THREADS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    done = gaitworks(elsewhere, "run", is_warm=False)  # warm, Python has chosen its hash seed
    assert done.returncode == 0, done.stderr[-3000:]
    one, other = (
        {
            path.relative_to(workspace).as_posix(): path.read_bytes()
            for path in (workspace / "data" / "release").rglob("*")
            if path.is_file()
        }
        for workspace in (reference, elsewhere)
    )
    assert sorted(one) == sorted(other)
    assert [name for name in one if one[name] != other[name]] == []
