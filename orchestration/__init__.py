"""How everything runs: Dagster definitions, jobs, sensors, configured resources and the CLI."""
