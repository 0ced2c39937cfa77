"""De-identification of headers by a profile of PS3.15 Annex E; pure, no pixels are looked at."""
