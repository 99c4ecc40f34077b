"""The version of extraction's code: part of the cache's keys and of the stage's lineage."""

from typing import Final

EXTRACTION_VERSION: Final = 6
"""Raise this with every change that can change a result."""
