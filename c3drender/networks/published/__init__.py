"""The released system as its authors' code runs it: the preset for their checkpoints.

Where this differs from the rest of the package, it does so because the released weights were trained so, or because the
released code's own pictures are to be had again. Nothing outside this folder knows of it.

Inside, pictures are ``[C, H, W]`` and masks float32 0 or 1; pixel ``(x, y)`` is the point ``(x, y)``, half a pixel from the
centre that the splat gives it.
"""
