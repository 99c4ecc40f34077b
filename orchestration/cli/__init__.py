"""The command line: one entry, one module per group of commands."""
