"""Random generators by name, so that no draw depends on the order or number of the others."""

import hashlib

import numpy as np


def generator_for(seed: int, *key: object) -> np.random.Generator:
    """Return the generator that belongs to `key` under `seed`.

    Equal keys give equal streams in every process; different keys independent ones. The key's
    parts are compared by their text.
    """
    digest = hashlib.sha256("\x1f".join(map(str, key)).encode()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest[:16], dtype="<u4").tolist()])


def draw_between(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw one uniform value as a plain float."""
    return float(rng.uniform(low, high))


def draw_normal(
    rng: np.random.Generator, mean: float, deviation: float, *, limit: float = 2.5
) -> float:
    """Draw one normal value as a plain float, kept within `limit` standard deviations."""
    return mean + deviation * float(np.clip(rng.standard_normal(), -limit, limit))
