"""A running world: when its mechanisms change, and which."""
