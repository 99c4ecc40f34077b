"""How torch is set so that equal inputs give equal numbers."""

import os


def compute_repeatably(cpu_threads: int) -> None:
    """Ask torch for deterministic kernels and a fixed number of threads in this process.

    Call it before torch is imported for the first time.
    """
    # cuBLAS reads this when it starts; without it deterministic mode refuses matrix products.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    torch.set_num_threads(cpu_threads)
    torch.use_deterministic_algorithms(True)
    # That mode also fills fresh memory, to expose kernels that read it; it costs time only.
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010 - no type stub
