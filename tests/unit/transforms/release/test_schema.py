from transforms.files import canonical_json
from transforms.release.participants import RELEASED_PARTICIPANTS
from transforms.release.schema import describe_tables
from transforms.schemas import FRAMES, SEQUENCE_INDEX, SEQUENCES, SPLIT


def test_every_column_of_every_table_is_described():
    tables = {table["name"]: table for table in describe_tables()["tables"]}
    schemas = {"sequences": SEQUENCES, "index": SEQUENCE_INDEX, "frames": FRAMES, "split": SPLIT}
    schemas |= {"participants": RELEASED_PARTICIPANTS}
    for name, schema in schemas.items():
        columns = tables[name]["columns"]
        assert [column["name"] for column in columns] == schema.names
        assert [column["nullable"] for column in columns] == [f.nullable for f in schema]
        assert all(column["description"] for column in columns)
    assert set(tables) == set(schemas)


def test_types_are_plain_words():
    tables = {table["name"]: table for table in describe_tables()["tables"]}
    types = {column["name"]: column["type"] for column in tables["sequences"]["columns"]}
    assert types["frame_index"].startswith("list<")
    assert types["silhouettes"] == "binary"
    assert all("not null" not in kind for kind in types.values())
    assert canonical_json(describe_tables())
