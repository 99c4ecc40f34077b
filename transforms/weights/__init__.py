"""Model weights: named in a registry, fetched by a command, verified before they are parsed."""
