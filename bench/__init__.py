"""Speed and size of the main job, each figure measured in a process of its own. ``python -m bench --output FOLDER``."""
