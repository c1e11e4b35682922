"""The simulation itself is tried here, and the worlds that broke once are played."""
