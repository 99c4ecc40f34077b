"""Pure functions and plain classes that know data; no Dagster, DVC or torch in here."""
