"""What the files of a directory of clips are called, and which of them never leave it."""

from typing import Final

CLIPS_NAME: Final = "clips.parquet"
RELEASED_CLIPS_NAME: Final = "dual_view_clips.parquet"
PAIRS_NAME: Final = "pairs.parquet"
REJECTS_NAME: Final = "rejects.parquet"
RESTRICTED_FOLDER: Final = "restricted"
RGB_INDEX_NAME: Final = f"{RESTRICTED_FOLDER}/index.parquet"
README_NAME: Final = f"{RESTRICTED_FOLDER}/README.md"
README: Final = """# Restricted

The files in this folder hold pictures of people: faces and bodies. They are for models that are
trained inside the institution that filmed them. They are never part of a release; the release is
refused where it would hold any of them. Treat this folder like the videos themselves.
"""
