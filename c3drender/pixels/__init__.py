"""Image arithmetic that knows no scene: masks, nearest pixels, fits, sizes, contact sheets."""
