"""Where a model looks: regions of the body, phases of the gait cycle, and the tables of shares."""
