"""The terminal face: captions, levels, notes."""
