"""The libraries that run networks: which device, how many threads, never a network connection."""
