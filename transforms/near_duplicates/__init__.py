"""Near-duplicate sequences: copies of one recording under other ids, by what the pixels show."""
