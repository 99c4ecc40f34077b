"""From a video to normalised silhouettes, with every frame accounted for."""
