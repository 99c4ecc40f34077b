"""Masks to silhouettes as gait-recognition practice normalises them."""
