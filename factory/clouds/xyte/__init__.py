"""Xyte: registering units and their children, keeping their keys, and looking whether it worked."""
