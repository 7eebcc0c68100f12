"""viseme_render."""
