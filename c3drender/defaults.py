"""What a cinemagraph is when nothing else is asked for. Imports nothing, so that ``--help`` can show it at once."""

FRAMES = 60  # of the motion's loop: in a longer one what drifts is pulled farther out of shape
TURNS = 2  # of the motion's loop while the camera goes round once
FPS = 25
CAMERA = "circle"
AMPLITUDE = 0.6  # of a preset, at most: what an estimate of depth bears
LONGER_SIDE_PX = 1920  # of a video whose photo is larger
