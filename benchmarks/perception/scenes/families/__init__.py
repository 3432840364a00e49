"""One module a family; ``build(stage)`` sets up camera, light and things."""
