"""Schedulers whose answers no pattern for single lines can read: one module for each, by its name.

A module ``NAME.py`` serves the schedulers whose `dialect` is NAME. It has those functions of
:class:`dispatcher.scheduler.dialect.Dialect` that the patterns of ``config/schedulers/NAME.json``
cannot do: text in, value out. Nothing else needs to know the module.
"""
