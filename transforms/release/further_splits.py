"""Splits by further protocols that a release is to hold beside the one its results stand on."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from transforms.errors import RefusalError
from transforms.release.proof import redact_proof
from transforms.release.settings import ReleaseSettings
from transforms.schemas import SPLIT
from transforms.settings import SplitSettings
from transforms.shards.parquet import read_table

_SPLIT_NAME: Final = "split.parquet"


@dataclass(frozen=True)
class FurtherSplit:
    """A split by one more protocol.

    Attributes:
        protocol: its name, and that of its folder below `splits/`.
        table: schema `SPLIT`.
        data: the bytes of that table as a Parquet file.
        proof: what was asked for and met, as it may leave.
    """

    protocol: str
    table: pl.DataFrame
    data: bytes
    proof: dict[str, Any]


def make_further_splits(
    dataset: Path, release: ReleaseSettings, settings: Mapping[str, Any]
) -> tuple[FurtherSplit, ...]:
    """Split the dataset by every protocol of `release.further_protocols`.

    Args:
        dataset: the shards.
        release: names the protocols.
        settings: settings by section; `splits` says what each protocol is asked for.

    Raises:
        RefusalError: one is the protocol of the release already, or can't be met on this dataset.
    """
    return tuple(
        _make(dataset, protocol, settings["splits"]) for protocol in release.further_protocols
    )


def _make(dataset: Path, protocol: str, section: Mapping[str, Any]) -> FurtherSplit:
    from transforms.splits.build import PROOF_NAME, build_splits

    where, fix = "release.further_protocols", f"take {protocol} out of release.further_protocols"
    if section.get("protocol") == protocol:
        raise RefusalError(f"the release has a split by {protocol} already", where=where, fix=fix)
    settings = SplitSettings.model_validate({**section, "protocol": protocol})
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        try:
            build_splits(dataset, settings, directory)
        except RefusalError as error:
            raise RefusalError(
                f"no split by {protocol} can be made of this dataset: {error.what}",
                where=where,
                expected=error.expected,
                found=error.found,
                fix=fix,
            ) from error
        return FurtherSplit(
            protocol=protocol,
            table=pl.DataFrame(read_table(directory / _SPLIT_NAME, SPLIT)),
            data=(directory / _SPLIT_NAME).read_bytes(),
            proof=redact_proof(json.loads((directory / PROOF_NAME).read_bytes())),
        )
