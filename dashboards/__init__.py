"""The boards that ship with EdgeVitals, as code: `python -m dashboards` writes them to `out`.

A board is one module that reads like the screen. What all share has one place each: `names` and
`selectors` (which series), `style` (colours, words, units), `panels` (kinds of panels), `grid`
(where they stand), `truth` (how old is what is shown) and `board` (variables, annotations, links).
"""
