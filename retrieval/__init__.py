"""The shelf: keeps passages and finds them again."""
