"""THE CLOUDS: what is asked of a cloud, how it is asked safely, and what its answers mean."""
