"""The commands of canaryctl, one module each; loaded only when they are asked for."""
