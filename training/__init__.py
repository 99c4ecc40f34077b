"""Models, losses, samplers, the training loop and evaluation; runnable with no Dagster present."""
