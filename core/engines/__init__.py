"""One model family a file, behind one interface."""
