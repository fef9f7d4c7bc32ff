"""What files are packed in: compression, archives, encryption. Layers are taken off into the workspace."""
