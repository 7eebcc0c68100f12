"""The listener: what a voice alone says of the mouth that speaks it, learned from minutes."""
