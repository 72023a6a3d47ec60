"""The mind: turns utterances into notes and minutes."""
