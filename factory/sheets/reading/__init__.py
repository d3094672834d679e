"""Reading what people hand us: bytes first, then values; nothing is guessed and nothing is shifted."""
