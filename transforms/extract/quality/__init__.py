"""Whether a frame, and then a sequence, is good enough to keep."""
