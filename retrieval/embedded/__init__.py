"""The embedded model: vectors and weights of words and of the letters of unknown ones, and how they were made."""
