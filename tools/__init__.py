"""What developers run: checks and measurements. Not part of the installed package."""
