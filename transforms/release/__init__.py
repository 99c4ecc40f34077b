"""A dataset version as a directory that others can verify, load and cite."""
