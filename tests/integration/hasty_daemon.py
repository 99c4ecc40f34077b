"""`dagster-daemon` as it is, but that it looks after backfills every second and not every 30."""

import dagster._daemon.controller
from dagster._daemon.cli import main

dagster._daemon.controller.DEFAULT_DAEMON_INTERVAL_SECONDS = 1
dagster._daemon.controller.THREAD_CHECK_INTERVAL = 1  # of the end, too

if __name__ == "__main__":
    main()
