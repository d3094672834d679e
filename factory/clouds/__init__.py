"""WHAT THE CLOUD KNOWS: clients for remote.it and Xyte."""
