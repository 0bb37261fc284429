"""The patches that come with zrack, and the Python that makes them: `python -m patches.make`."""
