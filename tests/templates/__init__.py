"""The template sets and scripts that ship."""
