"""viseme_face."""
