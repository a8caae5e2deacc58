"""Worlds whose truth we hold."""
