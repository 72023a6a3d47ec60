"""The embedded recogniser: its texts, its voices, its training and its weights."""
