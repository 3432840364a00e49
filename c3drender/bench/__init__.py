"""Speed: the cases, the clock and the table of ``c3drender bench``."""
