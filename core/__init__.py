"""What the add-on and the server share, and the models."""
