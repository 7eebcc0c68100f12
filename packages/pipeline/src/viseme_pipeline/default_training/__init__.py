"""The embedded default from a folder of videos: everything that its weights were made by."""
