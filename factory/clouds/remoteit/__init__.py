"""remote.it's account API: credentials, signatures, devices, connections (remote.it reference, section 6)."""
