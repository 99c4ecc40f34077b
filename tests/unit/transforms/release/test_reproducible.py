import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import transforms

# From batches to a finished release, in a process that knows of nothing but its arguments.
BUILD = """
import os, sys
from pathlib import Path

from transforms.manifest import write_manifest
from transforms.progress import NoProgress
from transforms.release.build import ReleaseInputs, build_release
from transforms.release.settings import ReleaseSettings
from transforms.settings import ShardSettings, parse_settings
from transforms.shards.writer import write_shards

if __name__ == "__main__":
    home, workers, umask = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3], 8)
    os.umask(umask)
    dataset, output = home / "dataset", home / "release"
    dataset.mkdir()
    output.mkdir()
    shards = ShardSettings.model_validate({"sequences_per_shard": 2})
    facts = write_shards(
        [home / "intake" / "batch_001"], [home / "extraction" / "batch_001"], shards, dataset,
        progress=NoProgress(), worker_count=workers,
    )
    write_manifest(dataset, kind="silhouette_shards", facts=facts)
    inputs = ReleaseInputs(
        dataset_dir=dataset, splits_dir=home / "splits", evaluation_dirs=[home / "evaluation"],
        model_dirs=[home / "model"], release=ReleaseSettings(creators=("Ångström, Zoë",)),
        settings=parse_settings({}).model_dump(mode="json"),
    )
    facts = build_release(inputs, output)
    write_manifest(output, kind="dataset_release", facts=facts)
"""
MACHINES = (
    {
        "LC_ALL": "C",
        "TZ": "Pacific/Kiritimati",
        "PYTHONHASHSEED": "1",
        "POLARS_MAX_THREADS": "1",
        "HOME": "/nowhere",
        "USER": "one",
    },
    {
        "LC_ALL": "tr_TR.UTF-8",
        "TZ": "America/St_Johns",
        "PYTHONHASHSEED": "2",
        "POLARS_MAX_THREADS": "3",
        "HOME": "/elsewhere",
        "USER": "other",
        "PYTHONUTF8": "1",
    },
)
FOLDERS = ("intake", "extraction", "splits", "evaluation", "model")


def _move_in(origin: Path, home: Path, *, age_s: int, reverse: bool) -> None:
    """Copy the inputs file by file, in another order and with other times."""
    names = [path.relative_to(origin) for name in FOLDERS for path in (origin / name).rglob("*")]
    for name in sorted(names, reverse=reverse):
        if (origin / name).is_file():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin / name, home / name)
            os.utime(home / name, (age_s, age_s))


def _tree(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.mark.slow
def test_two_machines_build_the_same_bytes(make_inputs, tmp_path):
    make_inputs()
    checkout = tmp_path / "checkout"
    code = Path(transforms.__file__).parent
    shutil.copytree(code, checkout / "transforms", ignore=shutil.ignore_patterns("__pycache__"))
    homes = (tmp_path / "a", tmp_path / "a deeper" / "Straße" / "b")
    checkouts = (code.parent, checkout)
    processes = []
    for number, (home, machine) in enumerate(zip(homes, MACHINES, strict=True)):
        _move_in(tmp_path, home, age_s=10**9 * number, reverse=bool(number))
        environment = os.environ | machine | {"PYTHONPATH": str(checkouts[number])}
        program = home / "build.py"
        program.write_text(BUILD)
        arguments = [str(home), ("1", "3")[number], ("022", "077")[number]]
        processes.append(
            subprocess.Popen(
                [sys.executable, str(program), *arguments],
                cwd=home,
                env=environment,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    for process in processes:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said[-2000:]
    one, other = (_tree(home / "release") for home in homes)
    assert sorted(one) == sorted(other)
    assert [name for name in one if one[name] != other[name]] == []
    assert "croissant.json" in one
    assert "Zoë Ångström".encode() in one["README.md"]
