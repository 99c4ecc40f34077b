"""The two stages that read a remote dataset's tar shards with the `webdataset` library.

The library's own opener of URLs runs shell commands; here the shards come through the cache, and
nothing in them is unpickled or extracted by name.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from transforms.errors import IntegrityError
from transforms.shards.remote import RemoteDataset
from transforms.shards.sample_json import decode_row
from transforms.shards.webdataset import FRAMES_SUFFIX, JSON_SUFFIX, TarSample


def open_tars(
    dataset: RemoteDataset, samples: Iterable[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Open tar shards for the `webdataset` library, in the place of its own opener of URLs.

    Args:
        dataset: whose tar shards `samples` name; give it with `functools.partial`.
        samples: mappings with the shard's name under `url`, as `wds.SimpleShardList` makes them.

    Yields:
        The mappings, with the opened and checked shard under `stream`.
    """
    for sample in samples:
        with dataset.hold(sample["url"]) as path, path.open("rb") as stream:
            yield sample | {"stream": stream}


def decode_sample(sample: dict[str, Any]) -> dict[str, Any]:
    """Return a sample of raw members with its row as `fields` and its frames as `silhouettes`.

    Args:
        sample: members by suffix, `__key__` and `__url__`, as `group_by_keys` makes it.

    Returns:
        `__key__`, `__url__`, `fields` (a mapping), `silhouettes` (uint8 [frame, height, width]).

    Raises:
        IntegrityError: a member is missing or does not decode; names the shard and the sequence.
    """
    key, url = sample["__key__"], sample["__url__"]
    where = f"{url}, sequence {key}"
    try:
        row, data = (sample[suffix.removeprefix(".")] for suffix in (JSON_SUFFIX, FRAMES_SUFFIX))
    except KeyError as error:
        raise IntegrityError("a member is missing", where=where, found=error) from error
    decoded = TarSample(key, decode_row(row, where=where), data)
    frames = decoded.silhouettes(where=where)
    return {"__key__": key, "__url__": url, "fields": decoded.fields, "silhouettes": frames}
