"""The pages: one module a screen, its words from the catalogues, its parts from templates."""
