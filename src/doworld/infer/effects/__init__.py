"""Effects from tables and logs: what may be compared, how it is estimated, what could undo it."""
