"""What is read from an instance on its way in: structure, header, characters. Pure."""
