"""The networks and the sampling. torch lives here."""
