"""`python -m pipeline.cli`."""

from pipeline.__main__ import main

main()
