"""Whether a split keeps its promises: leaks, labels and counts, whoever made it."""
