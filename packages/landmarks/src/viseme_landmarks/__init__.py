"""viseme_landmarks."""
