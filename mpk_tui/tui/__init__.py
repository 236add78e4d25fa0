"""The terminal workbench: one door over the same core that the command line uses."""
