"""Simulated clouds: servers that behave as the real ones are documented to, over real HTTPS, on loopback only.

They share no code with the clients, so that a simulator can contradict a client. Start at
`factory.rehearsal.clouds.server.SimulatedClouds`.
"""
