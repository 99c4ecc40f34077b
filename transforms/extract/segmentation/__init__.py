"""The pixels of the participant in each frame."""
