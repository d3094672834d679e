"""A simulated Xyte: provisioning server, device hub and the maker's management API in one place."""
