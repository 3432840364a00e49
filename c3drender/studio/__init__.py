"""The studio: a page, served to one's own machine, on which motion and depth are painted on a photo and seen at once.

A project is a photo and what was drawn on it, a list of edits; the scene is a pure function of the two. Read in this order:
``edits`` (the document), ``drawn`` (the edits as maps), ``stages`` (from photo and edits to a scene, each stage remembered),
``project`` (the folder), ``worker`` (the process that computes), ``server`` (what the page talks to).
"""
