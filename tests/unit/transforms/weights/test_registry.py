import pickle
from pathlib import Path

import pytest

from transforms.errors import SettingsError
from transforms.weights.registry import REGISTRY_NAME, read_registry

ROOT = Path(__file__).parents[4]

GOOD = """
[weights.walker]
kind = "onnx"
task = "segment"
licence = "Apache-2.0"
source = "https://example.org/walker"
[weights.walker.contract]
family = "pphumanseg"
input_width_px = 192
input_height_px = 144
mean = [0.5, 0.4, 0.3]
std = [0.5, 0.5, 0.5]
colour = "rgb"
person_channel = 1
[[weights.walker.files]]
name = "walker.onnx"
sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
size_bytes = 12
url = "https://example.org/walker.onnx"
"""
SECOND_FILE = f"""
[[weights.walker.files]]
name = "NAME"
sha256 = "{"b" * 64}"
size_bytes = 3
"""


def write(folder: Path, text: str) -> Path:
    path = folder / REGISTRY_NAME
    path.write_text(text, encoding="utf-8")
    return path


def test_an_entry_becomes_weights_in_their_folder(tmp_path: Path) -> None:
    registry = read_registry(write(tmp_path, GOOD))
    weights = registry.weights("walker", tmp_path / "store")
    assert (weights.name, weights.kind, weights.task) == ("walker", "onnx", "segment")
    assert weights.directory == tmp_path / "store" / "walker"
    assert [(file.name, file.size_bytes) for file in weights.files] == [("walker.onnx", 12)]
    assert weights.files[0].sha256 == "a" * 64
    assert weights.files[0].url == "https://example.org/walker.onnx"
    assert weights.contract == {
        "family": "pphumanseg",
        "input_width_px": 192,
        "input_height_px": 144,
        "mean": (0.5, 0.4, 0.3),
        "std": (0.5, 0.5, 0.5),
        "colour": "rgb",
        "person_channel": 1,
    }
    assert registry.entry("walker").size_bytes == 12
    assert pickle.loads(pickle.dumps(weights)) == weights  # workers get them


def test_a_missing_file_is_an_empty_registry_until_a_name_is_looked_up(tmp_path: Path) -> None:
    registry = read_registry(tmp_path / REGISTRY_NAME)
    assert dict(registry.entries) == {}
    with pytest.raises(SettingsError, match="'walker'") as caught:
        registry.weights("walker", tmp_path)
    assert caught.value.where == str(tmp_path / REGISTRY_NAME)
    assert caught.value.found == "no such file"


def test_an_unknown_name_is_answered_with_those_that_exist(tmp_path: Path) -> None:
    registry = read_registry(write(tmp_path, GOOD))
    with pytest.raises(SettingsError, match="'runner'") as caught:
        registry.weights("runner", tmp_path)
    assert caught.value.expected == "walker"
    assert caught.value.found is None


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("weights.walker", "weights.Walker", "weights.Walker"),
        ('kind = "onnx"', 'kind = "pickle"', "weights.walker.kind"),
        ('kind = "onnx"', 'kind = "torch"', "torch needs exactly one file .pt"),
        ('kind = "onnx"', 'kind = "paddle"', "paddle needs exactly one file .pdmodel or .json"),
        ('kind = "onnx"', 'kind = "onnx"\ncolour = 1', "weights.walker.colour: unknown key"),
        ('task = "segment"', 'task = "detect"', "'pphumanseg' does not detect"),
        ('task = "segment"', "", "weights.walker.task: missing"),
        ('"Apache-2.0"', '"some licence"', "weights.walker.licence"),
        ('https://example.org/walker"', 'http://example.org/walker"', "weights.walker.source"),
        ("pphumanseg", "other", "weights.walker.contract"),
        ("family =", "kind =", "weights.walker.contract"),
        ("input_width_px = 192", "input_width_px = 0", "weights.walker.contract.input_width_px"),
        ("input_width_px", "width_px", "weights.walker.contract.width_px: unknown key"),
        ("0.5, 0.4, 0.3", "0.5, 0.4", "weights.walker.contract.mean"),
        ("0.5, 0.4, 0.3", "0.5, nan, 0.3", "weights.walker.contract.mean.1"),
        ("std = [0.5", "std = [0.0", "weights.walker.contract.std: must be positive"),
        ('"rgb"', '"grey"', "weights.walker.contract.colour"),
        ('"walker.onnx"', '"../walker.onnx"', "weights.walker.files.0.name"),
        ('"walker.onnx"', '"/walker.onnx"', "weights.walker.files.0.name"),
        ('"walker.onnx"', '".walker.onnx"', "weights.walker.files.0.name"),
        ('"walker.onnx"', '"a\\\\walker.onnx"', "weights.walker.files.0.name"),
        ('"walker.onnx"', '"walker.onnx\\n"', "weights.walker.files.0.name"),
        ('"walker.onnx"', '""', "weights.walker.files.0.name"),
        ('"walker.onnx"', '"walker.onnx.part"', "unfinished downloads"),
        ('"walker.onnx"', '"walker.bin"', "onnx needs exactly one file .onnx"),
        ("a" * 64, "A" * 64, "weights.walker.files.0.sha256"),
        ("a" * 64, "a" * 63, "weights.walker.files.0.sha256"),
        ("a" * 64, "g" * 64, "weights.walker.files.0.sha256"),
        ("size_bytes = 12", "size_bytes = 0", "weights.walker.files.0.size_bytes"),
        ("size_bytes = 12", "size = 12", "weights.walker.files.0.size: unknown key"),
        ('url = "https:', 'url = "http:', "weights.walker.files.0.url: only https"),
        ('url = "https://', 'url = "https://me:pw@', "weights.walker.files.0.url: credentials"),
        ("[weights.walker]", "[models.walker]\n[weights.walker]", "models: unknown key"),
    ],
)
def test_what_is_not_allowed_is_refused_with_its_key(
    old: str, new: str, problem: str, tmp_path: Path
) -> None:
    assert old in GOOD
    with pytest.raises(SettingsError) as caught:
        read_registry(write(tmp_path, GOOD.replace(old, new)))
    assert problem in caught.value.what


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("walker.onnx", "the same name"),
        ("Walker.ONNX", "the same name"),
        ("runner.onnx", "exactly one file .onnx"),
    ],
)
def test_files_that_can_not_be_told_apart_are_refused(
    name: str, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=problem):
        read_registry(write(tmp_path, GOOD + SECOND_FILE.replace("NAME", name)))


def test_the_model_comes_first(tmp_path: Path) -> None:
    paddle = GOOD.replace('"onnx"', '"paddle"').replace("walker.onnx", "m.pdiparams")
    with pytest.raises(SettingsError, match=r"\.pdmodel or \.json\) must be the first file"):
        read_registry(write(tmp_path, paddle + SECOND_FILE.replace("NAME", "m.pdmodel")))


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    broken = GOOD.replace('"rgb"', '"grey"').replace("a" * 64, "x").replace("size_bytes = 12", "")
    with pytest.raises(SettingsError, match=r"3 value\(s\) not allowed") as caught:
        read_registry(write(tmp_path, broken))
    for key in ("contract.colour", "files.0.sha256", "files.0.size_bytes: missing"):
        assert f"weights.walker.{key}" in caught.value.what
    assert caught.value.where == str(tmp_path / REGISTRY_NAME)


@pytest.mark.parametrize(
    "data",
    [
        b"[weights", b"weights = 3", b"\xff\xfe", b"a = 1\na = 2",
        pytest.param(b"a = " + b"[" * 100_000, id="deep"),
    ],
)  # fmt: skip
def test_what_is_no_registry_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / REGISTRY_NAME
    path.write_bytes(data)
    with pytest.raises(SettingsError):
        read_registry(path)


def test_the_projects_own_registry_is_valid(tmp_path: Path) -> None:
    registry = read_registry(ROOT / REGISTRY_NAME)
    assert registry.path.exists()
    assert {"yolo11n_onnx", "yolo11n_torch", "pphumanseg_onnx", "yolox_nano_onnx"} <= set(
        registry.entries
    )
    digests = [file.sha256 for entry in registry.entries.values() for file in entry.files]
    assert len(set(digests)) == len(digests)
    for name, entry in registry.entries.items():
        assert (entry.kind == "torch") == name.endswith("_torch")
        assert entry.licence.startswith("AGPL") == name.startswith("yolo11"), name
        assert registry.weights(name, tmp_path).contract["family"]
