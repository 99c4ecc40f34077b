"""Synthetic walkers: parametric gait, video rendering, ground truth and scoring against it."""
