"""`edgevitals check --uses`: which metrics dashboards and rules ask for, and which are given.

files      dashboards and rule files -> queries, with the panel that each belongs to
promql     a query -> the metrics it selects, and what it needs to have data
given      a configuration -> the metrics it gives, now or perhaps
verdict    all of that together
page       for people and as JSON
"""
