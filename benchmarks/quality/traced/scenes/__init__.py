"""One module a scene: ``build(stage)`` sets ``stage.camera``, its light, and adds what rests and what moves."""
