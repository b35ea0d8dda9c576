"""The SQL of likeness: what is kept of a class, and the steps from values to groups."""

from grading.likeness.runs import OURS, RUNNER

BOUNDS: dict[str, int | str] = {
    "enough": 6,  # shared traces; honest runs on one machine share one or two of a long list's, one pair in ten
    "few": 12,  # holders of a value that are few in a class of any size
    "ours": f"{OURS}*",  # the reference runs, and who may hand them in
    "runner": RUNNER,
    "large_share": 4,  # one in four of those who have the record: what more of them hold was not measured
}

TABLE = """
CREATE TABLE IF NOT EXISTS likeness (learner TEXT NOT NULL, record TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS likeness_value ON likeness (value);
CREATE INDEX IF NOT EXISTS likeness_learner ON likeness (learner);
"""

# A value has its record and kind in its hash, so that each is of one record and kind. Only the first holder of a value is compared
# with the others: a ring of twelve copies gives eleven comparisons instead of 66, and still one group.
COMPARE = """
CREATE TEMP TABLE measured AS SELECT learner, record, kind, COUNT(*) AS traces FROM likeness
    WHERE kind NOT IN ('name', 'token', 'cut') GROUP BY learner, record, kind;
CREATE UNIQUE INDEX temp.measured_whose ON measured (learner, record, kind);
CREATE TEMP TABLE done AS SELECT record, kind, COUNT(*) AS learners FROM measured GROUP BY record, kind;
CREATE TEMP TABLE rare AS
    SELECT found.value AS value, found.first AS first FROM
        (SELECT value, MIN(learner) AS first, COUNT(*) AS holders, SUM(learner NOT GLOB :ours) AS learners, MIN(record) AS record, MIN(kind) AS kind FROM likeness
         WHERE kind NOT IN ('name', 'token', 'cut') GROUP BY value HAVING holders > 1) AS found
    JOIN done USING (record, kind) WHERE found.learners <= MAX(:few, done.learners / :large_share);
CREATE UNIQUE INDEX temp.rare_value ON rare (value);
CREATE TEMP TABLE alike AS
    SELECT pair.one AS one, pair.other AS other, pair.record AS record, pair.shared AS shared FROM
        (SELECT rare.first AS one, likeness.learner AS other, likeness.record AS record, likeness.kind AS kind, COUNT(*) AS shared
         FROM rare JOIN likeness USING (value) WHERE likeness.learner > rare.first GROUP BY 1, 2, 3, 4) AS pair
    JOIN measured AS mine ON mine.learner = pair.one AND mine.record = pair.record AND mine.kind = pair.kind
    JOIN measured AS theirs ON theirs.learner = pair.other AND theirs.record = pair.record AND theirs.kind = pair.kind
    WHERE 2 * pair.shared >= MIN(mine.traces, theirs.traces);
"""
PAIRS = """
SELECT one, other FROM alike WHERE NOT (one = :runner AND other GLOB :ours)
    GROUP BY one, other HAVING SUM(shared) >= :enough ORDER BY one, other
"""
GROUPED = """
CREATE TEMP TABLE concerned AS SELECT DISTINCT grp.number AS number, alike.record AS record
    FROM alike JOIN grp ON grp.learner = alike.one JOIN grp AS others ON others.learner = alike.other AND others.number = grp.number;
CREATE UNIQUE INDEX temp.concerned_record ON concerned (number, record);
CREATE TEMP TABLE common AS
    SELECT grp.number AS number, likeness.value AS value FROM grp JOIN likeness USING (learner) JOIN rare USING (value)
    JOIN concerned ON concerned.number = grp.number AND concerned.record = likeness.record
    GROUP BY grp.number, likeness.value HAVING COUNT(*) > 1;
CREATE UNIQUE INDEX temp.common_value ON common (value, number);
"""
MEMBERS = """
SELECT grp.learner, SUM(common.value IS NOT NULL), COUNT(*) FROM grp JOIN likeness USING (learner)
    LEFT JOIN common ON common.value = likeness.value AND common.number = grp.number
    WHERE grp.number = ? AND likeness.kind NOT IN ('name', 'token', 'cut') GROUP BY grp.learner ORDER BY grp.learner
"""
CUT = "SELECT DISTINCT learner FROM likeness WHERE kind = 'cut' ORDER BY learner"
NAMED = """
SELECT learner, value, COUNT(*), EXISTS (SELECT 1 FROM likeness AS others WHERE others.learner = likeness.value)
    FROM likeness WHERE kind = 'name' GROUP BY learner, value
UNION ALL
SELECT likeness.learner, COALESCE(owner.learner, ''), COUNT(*), owner.learner IS NOT NULL
    FROM likeness LEFT JOIN (SELECT DISTINCT learner FROM likeness) AS owner ON token_of(owner.learner) = likeness.value
    WHERE likeness.kind = 'token' GROUP BY likeness.learner, likeness.value
ORDER BY 1, 2, 3
"""
TEMPORARY = ("measured", "done", "rare", "alike", "grp", "concerned", "common")
