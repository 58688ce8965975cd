"""One rig family a file, data only."""
