"""A page in the browser that makes films: `viseme serve`.

    serve(ServeConfig(port=7860))  # until it is interrupted

Gradio comes with the extra `viseme-pipeline[serve]` and is loaded when the page is served.
"""

from viseme_pipeline.page.config import ServeConfig
from viseme_pipeline.page.server import serve

__all__ = ["ServeConfig", "serve"]
