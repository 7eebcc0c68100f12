"""viseme_eval."""
