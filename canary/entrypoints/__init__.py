"""What people and clusters start: the controller and canaryctl, their settings and their output."""
