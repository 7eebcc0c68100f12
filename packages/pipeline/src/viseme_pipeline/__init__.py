"""viseme_pipeline."""
