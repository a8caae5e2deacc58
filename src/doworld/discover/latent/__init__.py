"""Unobserved common causes and feedback: where the data demand them."""
