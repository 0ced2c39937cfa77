"""The command line: click groups, one file each. The one place that prints."""
