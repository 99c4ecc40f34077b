"""What a Celery worker serves: steps, and whole runs where the instance launches them as tasks.

    celery -A celery_worker worker --prefetch-multiplier 1 --pool solo -Q dagster

Not Celery's default pool: its workers may not start processes, and steps of the pipeline do.
"""

import os

from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_execute_job_task, create_resume_job_task, create_task

app = make_app(
    {
        "broker": os.environ["GAITWORKS_CELERY_BROKER"],
        "backend": os.environ["GAITWORKS_CELERY_BACKEND"],
    }
)

execute_plan = create_task(app)
execute_job = create_execute_job_task(app)
resume_job = create_resume_job_task(app)
