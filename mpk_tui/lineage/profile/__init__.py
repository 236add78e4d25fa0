"""The numbers behind the figures of a comparison: described, bounded in size, and deciding nothing."""
