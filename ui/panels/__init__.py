"""Panels of the editor: a module each, with `build(app)`, called once where it belongs, and `refresh(app)`."""
