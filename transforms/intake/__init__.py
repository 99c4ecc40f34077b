"""A cohort folder read, validated and probed; every problem named, nothing guessed."""
