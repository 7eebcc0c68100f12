"""viseme_motion."""
