-- All of List at once: a row a window, with its learner, in order.
WITH listed AS MATERIALIZED (
    SELECT p.learner_id, p.name, p.email, p.external_id, p.department, p.name_key FROM profile AS p
    WHERE p.organization_id = :organization AND p.learner_id IN (
        SELECT learner_id FROM activity_window
        WHERE organization_id = :organization AND scope_id = :team AND from_at < :until AND to_at > :since
        UNION ALL SELECT learner_id FROM uncertain_activity_window
        WHERE organization_id = :organization AND scope_id = :team AND from_earliest < :until AND to_latest > :since
            AND known_until = 253402300799999999))
SELECT l.learner_id, l.name, l.email, l.external_id, l.department, w.from_at, nullif(w.to_at, 253402300799999999),
    l.name_key, w.to_at, w.from_at
FROM listed AS l CROSS JOIN activity_window AS w
WHERE w.organization_id = :organization AND w.scope_id = :organization AND w.learner_id = l.learner_id
UNION ALL
SELECT l.learner_id, l.name, l.email, l.external_id, l.department,
    CASE WHEN w.from_earliest = w.from_latest THEN w.from_latest END,
    CASE WHEN w.to_earliest = w.to_latest THEN nullif(w.to_latest, 253402300799999999) END,
    l.name_key, w.to_latest, w.from_earliest
FROM listed AS l CROSS JOIN uncertain_activity_window AS w
WHERE w.organization_id = :organization AND w.scope_id = :organization AND w.learner_id = l.learner_id
    AND w.known_until = 253402300799999999
ORDER BY 8, 1, 9, 10
