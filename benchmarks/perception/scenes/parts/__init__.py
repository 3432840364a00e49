"""What the families share: geometry, materials, light, camera, passes."""
