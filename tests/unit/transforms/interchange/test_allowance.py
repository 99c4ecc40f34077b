import subprocess
import sys

import pytest

_PROGRAM = """
import sys
from transforms.interchange.allowance import allow_memory
held = bytearray(100 << 20)
allow_memory(50 << 20)
allow_memory(50 << 20)  # the allowance is anew for each item
try:
    bytearray(int(sys.argv[1]) << 20)
except MemoryError:
    print("refused")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process its size")
@pytest.mark.parametrize(("megabytes", "answer"), [(30, ""), (80, "refused")])
def test_only_what_comes_on_top_is_limited(megabytes: int, answer: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(megabytes)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == answer
