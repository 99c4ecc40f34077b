"""The cohorts are those of the tests of splits."""

from tests.unit.transforms.splits.conftest import tables as tables
from tests.unit.transforms.splits.conftest import write_dataset as write_dataset
