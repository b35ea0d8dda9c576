"""The course's own checks, for attackers who hold the reference's evidence.

Evidence is bound to its learner, and one recording of the whole course is in this repository: the reference's. An attack that is not about
identity hands it in as `ref-NAME`, and is judged as the reference; every other learner of the class is judged as the real checks do.
"""
