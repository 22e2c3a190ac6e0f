"""The demo's data, made from a fixed seed and recorded as it would have happened: day by day, in 2016 and 2017.

Three clients, each with a dispute of its own kind:

- Xtra Lease is licensed for 400. At the cutoff of 2017-09-01 exactly 403 were active; weeks later it is 391.
- Baptist Health Plan lost the activation dates of nine learners when they were deactivated in the old system.
- GLOVIS America deactivated a learner by mistake and let them return on the same day.

The Board of Appraisers sells application fees. Xtra Lease has bought twenty vouchers there, on a purchase order.
"""
