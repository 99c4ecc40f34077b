"""Putting items on sides: goals, a search that finds, an integer program that proves."""
