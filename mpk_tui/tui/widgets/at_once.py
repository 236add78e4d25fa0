"""Fields of a form that act on each key in its turn, however fast keys arrive."""

from __future__ import annotations

from textual import events
from textual.widget import Widget
from textual.widgets import Input, TextArea

from mpk_tui.tui import keys


async def act_at_once(field: Widget, event: events.Key) -> None:
    """Act on a key that a field binds, as soon as it reaches the field; any other goes its usual way.

    Textual acts on a bound key only when it has come from the field up to the application, and then for whatever field
    has the focus by that time.  Keys arrive in bursts over a slow line; without this, an arrow or a Backspace in one
    would work on a later field, or behind letters that were typed after it.
    """
    bound = field._bindings.copy()
    bound.apply_keymap(keys.textual_keymap())
    for binding in bound.key_to_bindings.get(event.key, ()):
        if not binding.priority and await field.app.run_action(binding.action, field):
            event.stop()
            event.prevent_default()
            return


class Line(Input):
    """A field of one line."""

    def on_mount(self) -> None:
        """Without colours the cursor is the only sign within the field, so it stands still."""
        self.cursor_blink = not self.app.no_color

    async def on_key(self, event: events.Key) -> None:
        """Its own keys, in their turn."""
        await act_at_once(self, event)


class Lines(TextArea):
    """A field of several lines."""

    def on_mount(self) -> None:
        """Without colours the cursor is the only sign within the field, so it stands still."""
        self.cursor_blink = not self.app.no_color

    async def on_key(self, event: events.Key) -> None:
        """Its own keys, in their turn."""
        await act_at_once(self, event)
