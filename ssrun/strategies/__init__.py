"""How decoder inputs are chosen."""
