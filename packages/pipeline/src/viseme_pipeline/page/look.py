"""How the page looks: Gradio's plain theme, fonts of the system, a little CSS."""

from pathlib import Path
from typing import Any

# Gradio's own themes name fonts that it would serve or fetch.
_FONT = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
CSS = Path(__file__).with_name("page.css")


def theme(gr: Any) -> Any:
    """Return the theme.

    Args:
        gr: Gradio, loaded.
    """
    base = gr.themes.Base(
        primary_hue="teal",
        neutral_hue="slate",
        font=list(_FONT),
        font_mono=list(_MONO),
        radius_size=gr.themes.sizes.radius_md,
    )
    # Gradio's own shades are too pale to be read easily on these grounds.
    return base.set(
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
    )
