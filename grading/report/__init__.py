"""The report: one page for the class, one page and one grades.json per learner, made from the gradebook and the verdicts.

What a submission wrote reaches a page only as text: cleaned where it is read (`words.py`), escaped by the templates (`look.py`).
"""
