"""Synthetic scenes with known geometry and motion, the methods that are compared on them, and what is measured.

`scenes` describes them, `caster` draws them, `truth` keeps what was drawn; `methods` and `baselines` make videos of the photo
alone, `metrics` compares, `report` writes. ``PYTHONPATH=benchmarks python -m quality data`` draws, ``... run`` measures.
"""
