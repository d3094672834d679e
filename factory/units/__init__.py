"""Talking to a unit: console, shell, serial, SSH, what tools it has, its facts."""
