"""`croissant.json`: the release in Croissant 1.1, so that tools find, check and read it unaided.

Written here rather than with `mlcroissant`, which takes seconds to import; the tests read it with
that library. Every file but the checksums and the manifest, which come after, is there with its
sha256.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

import pyarrow as pa

from transforms.dual_view.files import RELEASED_CLIPS_NAME
from transforms.labels import SCOLIOSIS, LabelScheme
from transforms.release.citation import describe_creators, encode_bibtex, licence_url
from transforms.release.label_words import find_label_words
from transforms.release.participants import RELEASED_PARTICIPANTS
from transforms.release.schema import CLIPS_TABLE, describe_column
from transforms.release.settings import ReleaseSettings
from transforms.schemas import CLIPS, FRAMES, SEQUENCE_INDEX, SEQUENCES, SPLIT

CROISSANT_NAME: Final = "croissant.json"

Json = dict[str, Any]  # `Any`: JSON

_CONTEXT: Final[Json] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_CONFORMS_TO: Final = (
    "http://mlcommons.org/croissant/1.1",
    "http://mlcommons.org/croissant/RAI/1.0",
)
_PARQUET: Final = "application/x-parquet"
_ENCODINGS: Final = {
    ".parquet": _PARQUET,
    ".tar": "application/x-tar",
    ".tsv": "text/tab-separated-values",
    ".json": "application/json",
    ".md": "text/markdown",
    ".cff": "application/yaml",
    ".py": "text/x-python",
}
_DATA_TYPES: Final = {
    "string": "sc:Text",
    "double": "cr:Float64",
    "float": "cr:Float32",
    "int32": "cr:Int32",
    "int64": "cr:Int64",
    "bool": "sc:Boolean",
    # Croissant knows no bytes; `mlcroissant` hands texts over as bytes, and bytes as they are.
    "binary": "sc:Text",
}


@dataclass(frozen=True)
class _Table:
    """One record set: its name, the file or set of files it is read from, its columns and key."""

    name: str
    source: Json
    description: str
    schema: pa.Schema
    key: tuple[str, ...]


_SETS: Final = {
    "sequence-shards": ("sequences/*.parquet", _PARQUET, "all sequences with their silhouettes"),
    "webdataset-shards": ("webdataset/*.tar", "application/x-tar", "the same sequences as tar"),
}


def describe_croissant(
    release: ReleaseSettings,
    hashes: Mapping[str, tuple[int, str]],
    limits: Iterable[str],
    further_protocols: Iterable[str] = (),
    *,
    scheme: LabelScheme = SCOLIOSIS,
) -> Json:
    """Return the document as plain JSON values.

    Args:
        release: what the release says of itself.
        hashes: size and sha256 of every file by its path in the release.
        limits: sentences on what the data can't do.
        further_protocols: of splits that lie in a folder of their own.
        scheme: of the labels.
    """
    keyword = find_label_words(scheme).keyword
    document: Json = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": list(_CONFORMS_TO),
        "name": release.title,
        "description": release.description,
        "version": release.version,
        "datePublished": release.date,
        "license": licence_url(release),
        "creator": describe_creators(release),
        "citeAs": encode_bibtex(release),
        "keywords": ["gait", "silhouette", keyword, "pseudonymised"],
        "isLiveDataset": False,
        "rai:dataLimitations": list(limits),
        "rai:personalSensitiveInformation": _describe_sensitive(release),
        "distribution": [
            *(_file_object(name, *hashes[name]) for name in sorted(hashes)),
            *(_file_set(name, *entry) for name, entry in _SETS.items()),
        ],
        "recordSet": [
            _record_set(table, scheme)
            for table in [*_tables(further_protocols), *_clips_of(hashes)]
        ],
    }
    return document | ({"url": release.url} if release.url else {})


def _describe_sensitive(release: ReleaseSettings) -> list[str]:
    if release.is_synthetic:
        return ["None: nobody was filmed; the walkers, their diagnoses and measures are drawn."]
    return [
        "Health: a diagnosis per participant.",
        "Biometric: silhouettes show a person's gait, which can identify them.",
        "Sex, and age, stature and weight as intervals.",
    ]


def _tables(further_protocols: Iterable[str]) -> list[_Table]:
    def file(name: str) -> Json:
        return {"fileObject": {"@id": name}}

    return [
        _Table(
            "sequences",
            {"fileSet": {"@id": "sequence-shards"}},
            "One record per sequence, silhouettes included; `silhouettes` are bytes that the codec "
            "packed, see `schema.json`.",
            SEQUENCES,
            ("sequence_id",),
        ),
        _Table(
            "index",
            file("index.parquet"),
            "One record per sequence, without pixels, and where the pixels lie.",
            SEQUENCE_INDEX,
            ("sequence_id",),
        ),
        _Table(
            "frames",
            file("frames.parquet"),
            "One record per decoded frame, kept or dropped and why.",
            FRAMES,
            ("recording_id", "frame_index"),
        ),
        _Table(
            "participants",
            file("participants.parquet"),
            "One record per participant; measures are intervals.",
            RELEASED_PARTICIPANTS,
            ("participant_id",),
        ),
        *(
            _Table(
                name,
                file(path),
                "One record per variant and sequence: the side that the sequence is on.",
                SPLIT,
                ("variant", "sequence_id"),
            )
            for name, path in name_splits(further_protocols).items()
        ),
    ]


def _clips_of(names: Iterable[str]) -> list[_Table]:
    """Return the table of clips where the release has one."""
    return [
        _Table(
            CLIPS_TABLE,
            {"fileObject": {"@id": RELEASED_CLIPS_NAME}},
            "One record per clip of two synchronised views: frames of two sequences.",
            CLIPS,
            ("clip_id",),
        )
        for name in names
        if name == RELEASED_CLIPS_NAME
    ]


def name_splits(further_protocols: Iterable[str]) -> dict[str, str]:
    """Return the files of all splits by the names they go by in Croissant and Hugging Face."""
    further = {f"splits_{name}": f"splits/{name}/split.parquet" for name in further_protocols}
    return {"splits": "splits/split.parquet"} | further


def _file_object(name: str, size: int, sha256: str) -> Json:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": PurePosixPath(name).name,
        "contentUrl": name,
        "contentSize": f"{size} B",
        "encodingFormat": _ENCODINGS.get(PurePosixPath(name).suffix, "text/plain"),
        "sha256": sha256,
    }


def _file_set(name: str, pattern: str, encoding: str, description: str) -> Json:
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": description,
        "encodingFormat": encoding,
        "includes": pattern,
    }


def _record_set(table: _Table, scheme: LabelScheme) -> Json:
    keys = [{"@id": f"{table.name}/{column}"} for column in table.key]
    return {
        "@type": "cr:RecordSet",
        "@id": table.name,
        "name": table.name,
        "description": table.description,
        "key": keys if len(keys) > 1 else keys[0],
        "field": [_field(table, column, scheme) for column in table.schema],
    }


def _field(table: _Table, column: "pa.Field[pa.DataType]", scheme: LabelScheme) -> Json:
    is_list = isinstance(column.type, pa.ListType)
    kind = column.type.value_type if isinstance(column.type, pa.ListType) else column.type
    field: Json = {
        "@type": "cr:Field",
        "@id": f"{table.name}/{column.name}",
        "name": column.name,
        "description": describe_column(table.name, column.name, scheme),
        "dataType": _DATA_TYPES[str(kind)],
        "source": table.source | {"extract": {"column": column.name}},
    }
    return field | ({"isArray": True, "arrayShape": "-1"} if is_list else {})
