"""Dual-view clips: the same moments of one walk seen from the front and from the side."""
