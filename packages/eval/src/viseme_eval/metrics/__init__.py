"""Metrics as stateful torchmetrics classes over `viseme_eval.functional`."""
