"""The tables, and the frozen dataclasses that come out of them."""
