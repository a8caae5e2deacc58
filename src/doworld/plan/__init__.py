"""Objectives, planners and the controller: which actions reach what is wanted."""
