"""What the city knows: entities, their merging, and the languages to ask for them. Pure."""
