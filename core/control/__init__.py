"""From a clip to the control pictures that engines read."""
