"""Metrics as pure functions: tensors in, a number out, no state."""
