"""The assembled world: fitting mechanisms along a graph, rollouts, saving."""
