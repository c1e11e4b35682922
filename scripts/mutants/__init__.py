"""Small faults that mutmut plants into the pure rooms: the score, those that live, the gate of a change."""
