"""How the bundled model was made, and how to make it again."""
