"""viseme_data."""
