"""Who is in each frame: boxes, from the background difference or from networks."""
