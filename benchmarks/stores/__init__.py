"""The silhouette stores that `silhouette_stores.py` compares, one module per kind."""
