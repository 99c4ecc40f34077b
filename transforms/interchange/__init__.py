"""The field's own layouts: trees of pickled or PNG silhouettes, taken in and given out."""
