"""The embedded model: a vector and a weight for each word piece, and how they were made."""
