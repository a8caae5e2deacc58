"""Static tables: the ways to find their graph, and what comes of them."""
