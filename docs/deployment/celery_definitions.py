"""The pipeline's own definitions on Celery: each step is a task of a queue that workers serve.

Load it as the code location in place of `orchestration.definitions`.
"""

from dagster import Definitions
from dagster_celery import celery_executor

from orchestration import definitions as pipeline

executor = celery_executor.configured(
    {
        "broker": {"env": "GAITWORKS_CELERY_BROKER"},
        "backend": {"env": "GAITWORKS_CELERY_BACKEND"},
        "retries": {"enabled": {}},
    }
)

# A file may hold one `Definitions` only, so the pipeline's are named through their module.
defs = Definitions.merge(pipeline.defs, Definitions(executor=executor))
