"""The sample meeting: its script, its documents and the program that makes both heard and seen."""
