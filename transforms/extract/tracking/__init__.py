"""Boxes to people over a whole recording, and which of them is the participant."""
