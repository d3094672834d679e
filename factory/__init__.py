"""Takes Linux units from the bench to a proved, registrable device."""

__version__ = "0.1.0"
