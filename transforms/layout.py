"""Where a workspace keeps its results, for those who read them without the stages that write them.

Paths are relative to the workspace. `assets` builds its stages on the same names.
"""

from typing import Final

WORKSPACE_VARIABLE: Final = "GAITWORKS_WORKSPACE"
PARAMS_NAME: Final = "params.yaml"
SHARDS_FOLDER: Final = "data/shards"
SPLITS_FOLDER: Final = "data/splits"
SCORE_FOLDER: Final = "data/score"
SCORE_NAME: Final = "score.json"
EXPERIMENTS_FOLDER: Final = "data/experiments"
MODEL_FOLDER: Final = "model"
EVALUATION_FOLDER: Final = "evaluation"
METRICS_NAME: Final = "metrics.json"
