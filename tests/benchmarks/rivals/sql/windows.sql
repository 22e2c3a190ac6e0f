-- The windows of learners, given in JSON, in order: null where a date was lost, and where they have not ended.
SELECT learner, from_at, to_at FROM (
    SELECT CAST(w.learner_id AS TEXT) AS learner, w.from_at AS from_at, nullif(w.to_at, 253402300799999999) AS to_at,
        w.to_at AS to_latest, w.from_at AS from_earliest
    FROM json_each(:learners) AS asked CROSS JOIN activity_window AS w
    WHERE w.organization_id = :organization AND w.scope_id = :organization AND w.learner_id = asked.value
    UNION ALL
    SELECT CAST(w.learner_id AS TEXT), CASE WHEN w.from_earliest = w.from_latest THEN w.from_latest END,
        CASE WHEN w.to_earliest = w.to_latest THEN nullif(w.to_latest, 253402300799999999) END,
        w.to_latest, w.from_earliest
    FROM json_each(:learners) AS asked CROSS JOIN uncertain_activity_window AS w
    WHERE w.organization_id = :organization AND w.scope_id = :organization AND w.learner_id = asked.value
        AND w.known_until = 253402300799999999)
ORDER BY to_latest, from_earliest
