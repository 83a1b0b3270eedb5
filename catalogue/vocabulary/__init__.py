"""Words that shops use, as data: names of attributes, colours, and what says nothing of a look.

Small on purpose: a word that is missing is warned of where it matters (rows that differ in an
attribute and have equal prompts), so no list here has to be complete.
"""
