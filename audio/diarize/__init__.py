"""Who spoke when: voices become embeddings, embeddings voices of a meeting, and these the speakers of words."""
