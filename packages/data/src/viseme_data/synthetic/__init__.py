"""Synthetic speakers: people who do not exist, with every ground truth."""
