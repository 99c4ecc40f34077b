"""The training side of a split with WebDataset: pip install numpy pyarrow webdataset."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import webdataset


def decode(row):
    """Return the silhouettes of a sequence, uint8 [frame, row, column]; see schema.json, codecs."""
    stream = pa.input_stream(pa.py_buffer(row["silhouettes"]), "zstd")
    packed = np.frombuffer(stream.read(), dtype=np.uint8)
    height, width, frames = row["height_px"], row["width_px"], row["frame_count"]
    size = -(-height // 8) * width * frames
    first, second, values = np.split(packed, [size, 2 * size])
    pixels = np.unpackbits(first.reshape(-1, width, frames), axis=0, count=height) * np.uint8(255)
    if row["codec"] == "grey-zstd/2":  # the second plane marks the pixels that have a value
        second = np.unpackbits(second.reshape(-1, width, frames), axis=0, count=height)
        pixels[second == 1] = values
    return pixels.transpose(2, 0, 1)


RELEASE = Path(__file__).resolve().parent.parent

split = pq.read_table(RELEASE / "splits" / "split.parquet")
variant = split["variant"][0]  # or another of split["variant"].unique()
train = split.filter((pc.field("variant") == variant) & (pc.field("side") == "train"))
chosen = set(train["sequence_id"].to_pylist())
shards = sorted(map(str, (RELEASE / "webdataset").glob("*.tar")))
samples = webdataset.WebDataset(shards, shardshuffle=False, empty_check=False).decode()
for sample in samples.select(lambda sample: sample["__key__"] in chosen):
    row = sample["json"] | {"silhouettes": sample["silhouettes.zst"]}
    silhouettes = decode(row)
    print(row["sequence_id"], row["label"], silhouettes.shape, silhouettes.dtype)
