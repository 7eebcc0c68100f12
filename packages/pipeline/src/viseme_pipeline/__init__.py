"""The chain: stages meet here and only here.

Generation, joint fine-tuning and the `viseme` command will live here.
"""
