"""Settings of all tests: no time limits on examples, for test machines are busy."""

from hypothesis import settings

settings.register_profile("busy", deadline=None)
settings.load_profile("busy")
