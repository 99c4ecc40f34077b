"""Each example is run as a stranger runs it: in a release, with its own packages and no others."""

import ast
import importlib.metadata
import json
import os
import subprocess
import sys

import polars as pl
import pytest
from packaging.requirements import Requirement

from transforms.errors import InputError, IntegrityError, MissingDependencyError
from transforms.files import sha256_bytes
from transforms.release import load
from transforms.release.load import (
    Library,
    fill_example,
    list_requirements,
    read_example,
    require_installed,
)
from transforms.shards.reader import open_dataset

FOREIGN = ("transforms", "gaitworks", "torch", "polars", "webdataset", "datasets", "cv2", "dagster")

# Runs a program as `python PROGRAM` would, but for `print`, which sees the silhouettes.
DRIVER = """
import importlib.util, json, runpy, sys
from hashlib import sha256
site, program, foreign = sys.argv[1:4]
sys.path.insert(0, site)
seen = {"foreign": [n for n in foreign.split() if importlib.util.find_spec(n)], "rows": {}}

def notice(name, label, shape, kind):
    pixels = sys._getframe(1).f_globals["silhouettes"]
    pixels = pixels.numpy() if hasattr(pixels, "numpy") else pixels
    assert tuple(shape) == pixels.shape and pixels.dtype == "uint8", (shape, kind)
    seen["rows"][name] = [label, list(shape), sha256(pixels.tobytes()).hexdigest()]

runpy.run_path(program, init_globals={"print": notice}, run_name="__main__")
print(json.dumps(seen))
"""


def _closure(names):
    """Return all distributions that installing some packages brings, by normal name."""
    found = {}
    waiting = [Requirement(name) for name in names]
    while waiting:
        requirement = waiting.pop()
        key = requirement.name.lower().replace("_", "-")
        if key in found:
            continue
        found[key] = importlib.metadata.distribution(requirement.name)
        wanted = (Requirement(line) for line in found[key].requires or ())
        waiting += [one for one in wanted if not one.marker or one.marker.evaluate({"extra": ""})]
    return found


def _make_bare_environment(folder, names):
    """Link what some packages consist of, and nothing else, into a folder."""
    folder.mkdir()
    for distribution in _closure(names).values():
        tops = {file.parts[0] for file in distribution.files or ()}
        for top in sorted(tops - {"..", "__pycache__"}):
            if not (folder / top).exists():
                (folder / top).symlink_to(distribution.locate_file(top))
    return folder


def _expected(release):
    """Return label, shape and digest of the training side's silhouettes, by our own reader."""
    split = pl.read_parquet(release / "splits" / "split.parquet")
    train = split.filter(variant=split["variant"][0], side="train")
    dataset = open_dataset(release)
    rows = {}
    for name, label in train.select("sequence_id", "label").iter_rows():
        pixels = dataset.read(name)
        rows[name] = [label, list(pixels.shape), sha256_bytes(pixels.tobytes())]
    assert rows
    return rows


def _run_bare(tmp_path, library, release):
    site = _make_bare_environment(tmp_path / f"site-{library}", list_requirements(library))
    program = release / "examples" / f"load_{library}.py"
    allowed = {path.name for path in site.iterdir()}
    foreign = [name for name in FOREIGN if name not in allowed]
    assert {"transforms", "gaitworks", "dagster"} <= set(foreign)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", DRIVER, site, program, " ".join(foreign)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        },
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "codec"),
    # Once grey: all unpack alike, see below.
    [*((library, "binary") for library in Library), (Library.PYARROW, "grey")],
)
def test_an_example_gives_our_pixels_with_its_own_packages_alone(
    make_inputs, publish, tmp_path, library, codec
):
    release = publish(make_inputs(codec=codec))
    seen = _run_bare(tmp_path, library, release)
    assert seen == {"foreign": [], "rows": _expected(release)}


def _functions(library):
    tree = ast.parse(read_example(library))
    return {node.name: ast.unparse(node) for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_all_examples_unpack_alike():
    assert len({_functions(library)["decode"] for library in Library}) == 1


def test_examples_are_short_and_import_what_they_name():
    for library in Library:
        tree = ast.parse(read_example(library))
        own = [n for n in tree.body if not (isinstance(n, ast.FunctionDef) and n.name == "decode")]
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {
            (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
            for node in imports
        }
        closure = {name.replace("-", "_") for name in _closure(list_requirements(library))}
        assert names - {"pathlib"} <= closure, library
        assert len([n for n in own if n not in imports]) <= 12, library


def test_a_filled_example_names_the_release_and_runs_from_anywhere(release):
    for library in Library:
        program = fill_example(library, release)
        assert f"RELEASE = Path({str(release)!r})" in program
        assert "__file__" not in program
        ast.parse(program)


def test_what_is_no_release_is_refused(release, tmp_path):
    with pytest.raises(InputError, match="not a release"):
        fill_example(Library.TORCH, tmp_path / "dataset")
    (release / "manifest.json").unlink()
    with pytest.raises(IntegrityError, match="no manifest; give the folder"):
        fill_example(Library.TORCH, release)
    os.mkfifo(release / "manifest.json")
    with pytest.raises(InputError, match="not the manifest"):
        fill_example(Library.TORCH, release)


def test_a_library_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(load.importlib.util, "find_spec", lambda name: name != "webdataset")
    with pytest.raises(MissingDependencyError, match="needs webdataset") as refused:
        require_installed(Library.WEBDATASET)
    assert refused.value.fix == "pip install webdataset"
    require_installed(Library.TORCH)
