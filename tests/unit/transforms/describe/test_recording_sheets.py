import csv
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transforms.describe.formatting import NOTHING
from transforms.describe.recording_block import flag_frames, list_decisions
from transforms.describe.recording_sheets import RecordingSheets
from transforms.extract.overrides import Override, apply_override, read_overrides
from transforms.extract.result import (
    ACCEPTED,
    FAILED,
    QUARANTINED,
    REJECTED,
    RecordingResult,
    fail,
)

FRAMES = 60
REASONS: tuple[str | None, ...] = tuple(
    "no_target" if i < 10 else "area_jump" if i in (20, 21) else "blurred" if i == 40 else None
    for i in range(FRAMES)
)
HOSTILE = "r<script>alert(1)</script>,\"x' onload=x"


def track(number: int, first: int, last: int, role: str = "other") -> dict[str, Any]:
    return {
        "track_id": number,
        "first_frame": first,
        "last_frame": last,
        "frame_count": last - first + 1,
        "mean_score": 0.9,
        "mean_height_px": 150.0,
        "travel_px": 300.0,
        "target_score": 0.9 - number / 10,
        "role": role,
        "sample_frames": [first, last],
        "sample_boxes": [[10.0, 50.0, 70.0, 200.0], [300.0, 50.0, 360.0, 200.0]],
    }


def silhouettes(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, size=(count, 64, 64), dtype=np.uint8)
    rows, columns = np.mgrid[0:64, 0:64]
    return np.where(abs(columns - 32) + abs(rows - 32) // 3 < 22, noise | 128, 0).astype(np.uint8)


WALK = RecordingResult(
    verdict=ACCEPTED,
    target_track_id=0,
    target_confidence=0.93,
    target_why="walks across the picture",
    quality_score=0.8,
    measures={"kept_fraction": 0.94, "flicker": None, "direction": "left_to_right", "cadence": 111},
    frame_shape=(240, 420),
    pts_s=np.arange(FRAMES) / 25,
    drop_reasons=REASONS,
    tracks=(track(0, 10, 59, "target"),),
    silhouettes=silhouettes(47),
)
UNSTEADY = replace(
    WALK, verdict=REJECTED, reason_code="flickering", reason="it flickers", quality_score=0.2
)
UNSURE = replace(
    WALK,
    verdict=QUARANTINED,
    reason_code="target_uncertain",
    reason="two walk alike",
    target_track_id=None,
    quality_score=None,
    measures={},
    drop_reasons=("recording_quarantined",) * FRAMES,
    tracks=(track(0, 0, 59), track(1, 5, 50)),
    tracks_id="0123abcd",
    silhouettes=silhouettes(0),
)
ACCEPT = Override("accept", "A. Person", "feet are fine")
REJECT = Override("reject", "B. Person", "walks with crutches")


def page_of(
    tmp_path: Path, *recordings: tuple[str, RecordingResult, Override | None], batch: str = "b1"
) -> str:
    sheets = RecordingSheets(batch)
    for recording_id, found, override in recordings:
        sheets.add(recording_id, found, apply_override(found, override), override)
    sheets.write(tmp_path / "sheets.html")
    return (tmp_path / "sheets.html").read_text(encoding="utf-8")


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page[page.index("<body>") :]).split())


class Parsed(HTMLParser):
    """The tags with their attributes, and whether every tag was closed in turn."""

    VOID = ("meta", "img", "input")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_rejected_recordings_silhouettes_are_shown(tmp_path: Path) -> None:
    final = apply_override(UNSTEADY, None)
    assert len(final.silhouettes) == 0
    page = page_of(tmp_path, ("r1", UNSTEADY, None))
    assert "47 frames kept, 3 dropped" in page
    assert page.count("data:image/png") == 1
    assert "flickering: it flickers" in text_of(page)


def test_only_drops_while_the_target_is_there_are_flagged() -> None:
    assert flag_frames(WALK) == {20: "area_jump", 21: "area_jump", 40: "blurred"}
    assert flag_frames(UNSURE) == {}


def test_the_legend_counts_the_reasons(tmp_path: Path) -> None:
    text = text_of(page_of(tmp_path, ("r1", WALK, None)))
    assert "area jump 2 20" in text
    assert "blurred 1 40" in text
    assert "no target" not in text
    assert "from frame 10 to 59, of which 94% are usable" in text


def test_measures_of_any_name_are_shown(tmp_path: Path) -> None:
    text = text_of(page_of(tmp_path, ("r1", WALK, None)))
    for expected in (
        "kept fraction 94%",
        f"flicker {NOTHING}",
        "direction left to right",
        "cadence 111",
    ):
        assert expected in text


def test_a_quarantined_recording_shows_its_tracks_to_choose_from(tmp_path: Path) -> None:
    page = page_of(tmp_path, ("r1", UNSURE, None))
    assert "Where the people of recording r1 walked: track 0 from 10% to 79%" in page
    assert "two walk alike" in page
    assert "r1,accept,0@0123abcd,,\nr1,accept,1@0123abcd,,\nr1,reject,,," in page


@pytest.mark.parametrize(
    ("found", "is_shown"),
    [
        (WALK, False),
        (replace(WALK, tracks=(*WALK.tracks, track(1, 0, 30))), True),
        (replace(UNSURE, tracks=(track(0, 0, 59),)), True),
        (replace(UNSURE, tracks=()), False),
    ],
)
def test_a_map_is_drawn_where_it_helps(
    tmp_path: Path, found: RecordingResult, is_shown: bool
) -> None:
    assert ("Where the people" in page_of(tmp_path, ("r1", found, None))) is is_shown


@pytest.mark.parametrize(
    ("found", "override", "expected"),
    [
        (UNSTEADY, ACCEPT, ("accepted by a person", "Extraction found rejected, flickering")),
        (WALK, REJECT, ("rejected by a person", "reject: walks with crutches (B. Person)")),
        (UNSURE, ACCEPT, ("quarantined r1", "Without effect the row names no track_id")),
        (fail("worker_died", "lost"), ACCEPT, ("failed r1", "Without effect extraction did not")),
        (replace(WALK, target_why="chosen by a person"), replace(ACCEPT, track_id="0@0123abcd"),
         ("accepted r1", "accept, track 0@0123abcd: feet are fine", "chosen by a person")),
    ],
)  # fmt: skip
def test_a_persons_decision_is_shown_with_its_effect(
    tmp_path: Path, found: RecordingResult, override: Override, expected: tuple[str, ...]
) -> None:
    text = text_of(page_of(tmp_path, ("r1", found, override)))
    for part in expected:
        assert part in text


def test_every_listed_row_is_allowed_once_it_has_name_and_reason(tmp_path: Path) -> None:
    found = {HOSTILE: UNSURE, "r2": UNSTEADY, "r3": WALK, "r4": fail("worker_died", "lost")}
    rows = [row for name, result in found.items() for row in list_decisions(name, result, result)]
    assert [len(list_decisions(name, result, result)) for name, result in found.items()] == [
        3,
        1,
        1,
        0,
    ]
    ledger = tmp_path / "overrides.csv"
    header = "recording_id,decision,track_id,name,reason\n"
    signed = [row.removesuffix(",,") + ",A. Person,seen\n" for row in rows]
    ledger.write_text(header + "".join(signed), encoding="utf-8")
    assert set(read_overrides(ledger, set(found))) == {HOSTILE, "r2", "r3"}
    ledger.write_text(header + rows[0], encoding="utf-8")
    with pytest.raises(Exception, match="needs a name and a reason"):
        read_overrides(ledger, set(found))


def test_the_example_is_about_what_needs_a_person_most(tmp_path: Path) -> None:
    page = page_of(tmp_path, ("a", WALK, None), ("b", UNSTEADY, None), ("c", UNSURE, None))
    block = re.search(r"<pre[^>]*><code>(.*?)</code>", page, re.DOTALL)
    assert block is not None
    rows = list(csv.DictReader(block[1].splitlines()))
    assert [(row["recording_id"], row["decision"], row["track_id"]) for row in rows] == [
        ("c", "accept", "0@0123abcd")
    ]


def test_the_list_has_the_verdicts_and_the_worst_first(tmp_path: Path) -> None:
    page = page_of(
        tmp_path,
        ("good", WALK, None),
        ("poor", replace(WALK, quality_score=0.3), None),
        ("unsure", UNSURE, None),
    )
    index = page[page.index('class="index"') : page.index("</table>")]
    assert re.findall(r'<th scope="row"><a href="#([^"]+)">(\w+)', index) == [
        ("recording-3", "unsure"), ("recording-2", "poor"), ("recording-1", "good"),
    ]  # fmt: skip
    assert re.findall(r"(\d+ \w+)</a></dd>", page) == ["1 quarantined", "2 accepted"]
    # The recordings themselves are in the order in which they were added.
    assert re.findall(r'<article[^>]* id="([^"]+)"', page) == [
        "recording-1", "recording-2", "recording-3",
    ]  # fmt: skip


def test_links_lead_somewhere_and_the_filter_knows_every_verdict(tmp_path: Path) -> None:
    page = page_of(tmp_path, ("a", WALK, None), ("b", UNSTEADY, None), ("c", UNSURE, None))
    parsed = Parsed(page)
    assert not parsed.open
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"] for tag, attributes in parsed.tags if tag == "a"}
    assert links <= {f"#{name}" for name in ids}
    for verdict in (ACCEPTED, REJECTED, QUARANTINED):
        assert f"only-{verdict}" in ids
        assert f"#only-{verdict}:checked" in page
        assert any(a.get("class") == f"recording {verdict}" for _, a in parsed.tags)


def test_hostile_texts_stay_texts_and_nothing_is_fetched(tmp_path: Path) -> None:
    found = replace(UNSURE, reason=HOSTILE, target_why=HOSTILE)
    override = Override("accept", HOSTILE, HOSTILE)
    page = page_of(tmp_path, (HOSTILE, found, override), (HOSTILE, WALK, None), batch=HOSTILE)
    parsed = Parsed(page)
    assert not parsed.open
    assert not {tag for tag, _ in parsed.tags} & {"script", "link", "iframe", "object", "form"}
    for tag, attributes in parsed.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert (attributes.get("src") or "data:image/png").startswith("data:image/png")
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in page
    assert "@import" not in page


def test_every_picture_has_an_alternative(tmp_path: Path) -> None:
    parsed = Parsed(page_of(tmp_path, ("a", WALK, None), ("c", UNSURE, None)))
    pictures = [attributes for tag, attributes in parsed.tags if tag == "img"]
    assert len(pictures) == 2
    assert all(len(picture["alt"] or "") > 20 for picture in pictures)


def test_a_recording_takes_less_than_60_kb(tmp_path: Path) -> None:
    tracks = (WALK.tracks[0], *(track(number, 0, 59) for number in range(1, 40)))
    full = replace(
        WALK, verdict=REJECTED, reason="x" * 1000, tracks=tracks,
        measures={f"measure_{number}": 0.123 for number in range(20)},
    )  # fmt: skip
    said = Override("accept", "x" * 500, "y" * 500, 5)
    empty = len(page_of(tmp_path))
    page = page_of(tmp_path, ("r1", full, said))
    assert page.count("data:image/png") == 2
    assert 20_000 < len(page.encode()) - empty < 60_000


def test_same_results_give_same_bytes(tmp_path: Path) -> None:
    recordings = (("a", WALK, None), ("b", UNSTEADY, ACCEPT), ("c", UNSURE, None))
    assert page_of(tmp_path, *recordings) == page_of(tmp_path, *recordings)


def test_a_batch_without_recordings_gives_a_page(tmp_path: Path) -> None:
    parsed = Parsed(page_of(tmp_path))
    assert not parsed.open
    assert "0 recordings" in page_of(tmp_path)


def test_a_failed_recording_offers_no_decision(tmp_path: Path) -> None:
    page = page_of(tmp_path, ("r1", replace(fail("unreadable", "no frame"), verdict=FAILED), None))
    assert "unreadable: no frame" in page
    assert "Decide about this recording" not in page
