"""Decides: facts in, decisions out; a dataset in, a de-identified dataset out. No input or output at all."""
