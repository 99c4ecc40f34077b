"""Video files to frames, in a process of its own with limits."""
