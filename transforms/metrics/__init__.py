"""What predictions are worth, with intervals over resamples of participants."""
