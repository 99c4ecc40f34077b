"""How torch is set so that equal inputs give equal numbers."""

import os


def prepare_repeatable() -> None:
    """Set what must be set before torch is imported for the first time."""
    # cuBLAS reads this when it starts; without it deterministic mode refuses matrix products.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def compute_repeatably(cpu_threads: int, *, compiles: bool = False) -> None:
    """Ask torch for deterministic kernels and a fixed number of threads in this process.

    Args:
        cpu_threads: of this process.
        compiles: whether `torch.compile` will be used.
    """
    prepare_repeatable()
    import torch

    torch.set_num_threads(cpu_threads)
    if compiles:
        torch.use_deterministic_algorithms(True)
    else:
        # The same for kernels; the other one also tells the compiler, and loads it to do so: a
        # second and a half.
        torch.set_deterministic_debug_mode("error")
    # That mode also fills fresh memory, to expose kernels that read it; it costs time only.
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010 - no type stub
