"""What a cinemagraph is when nothing else is asked for. Imports nothing, so that ``--help`` can show it at once."""

FRAMES = 120
FPS = 25
CAMERA = "circle"
LONGER_SIDE_PX = 1920  # of a video whose photo is larger
