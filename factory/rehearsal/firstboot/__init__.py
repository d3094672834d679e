"""A unit's first boot, walked through from its files, or by the OEM's own package (remote.it reference, section 4)."""
