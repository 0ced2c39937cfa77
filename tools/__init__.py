"""Programs that write tables of the tree; none of them is part of what is installed."""
