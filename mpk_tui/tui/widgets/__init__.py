"""Small widgets that show state as text and keep hostile text from the terminal."""
