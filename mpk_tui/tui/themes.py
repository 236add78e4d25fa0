"""Colours.  Nothing is said by them alone: a theme may be changed at any time, or have none, and no word is lost.

``contrast`` keeps 7:1 between every text and what is behind it (WCAG 2.2, 1.4.6).  ``blue-orange`` holds no red and
no green; its hues are those of Okabe and Ito's colour-blind-safe palette (Color Universal Design, 2008).  ``ansi`` uses
the terminal's own 16 colours.
"""

from __future__ import annotations

from textual.theme import Theme

TEXTUAL = {
    "dark": "textual-dark",
    "light": "textual-light",
    "contrast": "contrast",
    "blue-orange": "blue-orange",
    "ansi": "ansi-dark",
}
"""Our names of themes, and Textual's."""

CONTRAST = Theme(
    name="contrast",
    primary="#ffd75f",
    secondary="#ffffff",
    accent="#ffd75f",
    warning="#ffd75f",
    error="#ffb0a0",
    success="#a0e0ff",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#1c1c1c",
    boost="#262626",
    dark=True,
    text_alpha=1.0,
    variables={
        "text": "#ffffff",
        "text-muted": "#e0e0e0",
        "text-disabled": "#c8c8c8",
        "foreground-muted": "#e0e0e0",
        "foreground-disabled": "#c8c8c8",
        "surface-lighten-1": "#1c1c1c",
        "block-cursor-foreground": "#000000",
        "block-cursor-background": "#ffd75f",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-foreground": "#ffffff",
        "block-cursor-blurred-background": "#303030",
        "block-hover-background": "#303030",
        "input-cursor-background": "#ffffff",
        "input-cursor-foreground": "#000000",
        "input-selection-background": "#004878",
        "input-selection-foreground": "#ffffff",
        "border": "#ffffff",
        "border-blurred": "#b0b0b0",
        "scrollbar": "#b0b0b0",
        "scrollbar-hover": "#ffffff",
        "scrollbar-active": "#ffd75f",
        "scrollbar-background": "#000000",
        "link-color": "#ffd75f",
    },
)

BLUE_ORANGE = Theme(
    name="blue-orange",
    primary="#56b4e9",
    secondary="#0072b2",
    accent="#e69f00",
    warning="#f0e442",
    error="#e07020",
    success="#56b4e9",
    foreground="#e6e6e6",
    background="#101418",
    surface="#181d23",
    panel="#20262e",
    dark=True,
    variables={"block-cursor-foreground": "#000000", "block-cursor-background": "#56b4e9"},
)

OURS = (CONTRAST, BLUE_ORANGE)
OPAQUE = ("contrast",)
"""Themes under which nothing shines through a dialog."""
