"""The metrics of the four papers: numbers out.

Functional forms, stateful metric classes, the public networks that they need, and reports. Nothing
stands here yet beyond the name; `viseme_core.contrastive` already holds the sync expert's training.
"""
