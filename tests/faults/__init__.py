"""The twenty faults of a factory floor: where each is proved, and what no other room's tests show."""
