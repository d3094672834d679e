"""The simulated bench, driven by raw pyserial and paramiko, never by our own client."""
