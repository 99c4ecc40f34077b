"""Each way in which an installation is wrong is told, with the command that mends it."""

import subprocess
import sys
from pathlib import Path

import pytest

from transforms import doctor
from transforms.doctor import (
    Requirement,
    check_libraries,
    check_opencv,
    check_python,
    check_workspace,
    diagnose,
    judge_backend,
    parse_requirement,
)
from transforms.doctor_probes import ProbeOutcome, run_probe


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("torch==2.13.0", Requirement("torch", "2.13.0", "base")),
        ("pandera[polars]==0.35.0", Requirement("pandera", "0.35.0", "base")),
        ("filelock", Requirement("filelock", None, "base")),
        (
            'lap==0.5.13; extra == "extraction"',
            Requirement("lap", "0.5.13", "reference backends"),
        ),
        ('pytest; extra == "dev"', None),
        ('gaitworks[onnx]; extra == "extraction"', None),
    ],
)
def test_declared_requirements_are_understood(line: str, expected: Requirement | None) -> None:
    assert parse_requirement(line) == expected


def test_libraries_are_compared_with_their_pins(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"torch": "2.13.0+cpu", "numpy": "1.0", "rich": "9"}
    monkeypatch.setattr(doctor, "_installed_version", installed.get)
    findings = check_libraries(
        [
            Requirement("torch", "2.13.0", "base"),
            Requirement("numpy", "2.4.6", "base"),
            Requirement("rich", None, "base"),
            Requirement("scipy", "1.17.1", "base"),
            Requirement("lap", "0.5.13", "reference backends"),
        ]
    )
    assert [(finding.name, finding.status, finding.fix) for finding in findings] == [
        ("torch", "ok", ""),
        ("numpy", "broken", "make setup"),
        ("rich", "ok", ""),
        ("scipy", "missing", "make setup"),
        ("lap", "missing", "make setup-extraction"),
    ]
    assert findings[1].detail == "1.0, but 2.4.6 is pinned"


def test_a_project_that_is_not_installed_is_one_finding() -> None:
    (finding,) = check_libraries([])
    assert (finding.status, finding.fix) == ("missing", "make setup")


def test_two_opencv_distributions_are_found() -> None:
    both = {"opencv-python": "5", "opencv-python-headless": "5"}
    finding = check_opencv(both.get)
    assert finding.status == "broken"
    assert "pip uninstall -y opencv-python-headless" in finding.fix
    assert check_opencv({"opencv-python": "5"}.get).status == "ok"


def test_an_old_python_is_refused() -> None:
    assert check_python((3, 10)).status == "broken"
    assert check_python((3, 11)).status == "ok"


def test_a_missing_system_library_names_its_own_fix() -> None:
    error = "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"
    finding = judge_backend("opencv", "base", ProbeOutcome(False, error))
    assert (finding.status, finding.detail) == ("broken", error)
    assert finding.fix == "sudo apt-get install libgl1 libglib2.0-0"
    other = judge_backend("paddle", "reference backends", ProbeOutcome(False, "no such thing"))
    assert other.fix == "make setup-extraction"


def test_a_workspace_without_room_or_rights_is_told(tmp_path: Path) -> None:
    workspace, disk, _ = check_workspace(tmp_path, 100 * 2**30)
    assert (workspace.status, disk.status) == ("ok", "ok")
    assert check_workspace(tmp_path, 2**30)[1].status == "broken"
    missing = check_workspace(tmp_path / "nix", 100 * 2**30)[0]
    assert missing.status == "broken"


def test_a_probe_answers_with_what_it_printed_for_us() -> None:
    program = "print('noise'); print('gaitworks-probe: 1.2'); print('more noise')"
    assert run_probe(program) == ProbeOutcome(True, "1.2")


@pytest.mark.parametrize(
    ("program", "detail"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("import os; os.kill(os.getpid(), 11)", "was ended by signal 11"),
        ("raise SystemExit(7)", "ended with exit code 7"),
    ],
)
def test_a_probe_that_fails_says_why(program: str, detail: str) -> None:
    assert run_probe(program) == ProbeOutcome(False, detail)


def test_a_probe_that_hangs_is_ended() -> None:
    outcome = run_probe("import time; time.sleep(600)", timeout_s=0.3)
    assert outcome == ProbeOutcome(False, "gave no answer within 0.3 s")


def test_probes_have_their_own_settings_folder_that_goes_away() -> None:
    program = "import os; print('gaitworks-probe:', os.environ['YOLO_CONFIG_DIR'])"
    folder = run_probe(program).detail
    assert folder
    assert not Path(folder).exists()


def test_a_diagnosis_covers_every_kind_and_survives_failing_probes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "run_probe", lambda program: ProbeOutcome(False, "crashed"))
    findings = diagnose(tmp_path)
    kinds = {finding.kind for finding in findings}
    assert kinds == {"python", "library", "backend", "accelerator", "program", "workspace"}
    names = [(finding.kind, finding.name) for finding in findings]
    assert len(set(names)) == len(names)
    backends = [finding for finding in findings if finding.kind == "backend"]
    assert all(finding.status != "ok" and finding.fix for finding in backends)


def test_a_machine_without_cuda_misses_it_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "run_probe", lambda program: ProbeOutcome(True, ""))
    (cuda,) = [finding for finding in diagnose() if finding.kind == "accelerator"]
    assert (cuda.status, cuda.needed_for) == ("missing", "training on a GPU")


def test_the_doctor_itself_imports_nothing_heavy() -> None:
    program = (
        "import sys, transforms.doctor; "
        "sys.exit(any(name in sys.modules for name in "
        "('torch', 'numpy', 'cv2', 'paddle', 'ultralytics', 'dagster', 'av')))"
    )
    root = Path(doctor.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0
