"""The families of scenes, with the version of their generator: raise it when a family's pictures change."""

FAMILIES: dict[str, int] = {
    "sea": 1,
    "lake": 1,
    "river": 1,
    "forest": 1,
    "mountains": 1,
    "falls": 1,
    "figures": 1,
    "animals": 1,
    "street": 1,
    "room": 1,
    "still_life": 1,
    "blaze": 1,
    "skyscape": 1,
}

# Never trained on: what a network shows on these, it has not seen in training.
HELD_OUT: dict[str, int] = {
    "harbour": 1,
    "gorge": 1,
    "waterside": 1,
}
