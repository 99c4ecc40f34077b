"""How well what is known of a participant without the silhouettes predicts the label."""
