"""What the city knows: entities, attributes, their merging and the languages to ask for them. Pure."""
