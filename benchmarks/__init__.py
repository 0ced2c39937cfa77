"""Measurements of this node beside others, in one run on one machine; `make bench`. Nothing is asserted."""
