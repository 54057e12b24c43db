"""Pure builders: from models to the dicts of Jobs and other children. Never templated text."""
