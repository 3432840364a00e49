"""What a cinemagraph is when nothing else is asked for. Imports nothing, so that ``--help`` can show it at once."""

FRAMES = 60
FPS = 25
CAMERA = "circle"
