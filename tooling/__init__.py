"""What `build.py` is made of: the development environment, the extension zip, the demo. Not part of the extension."""
