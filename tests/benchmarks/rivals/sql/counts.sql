-- How many were active at an instant in each team: surely, and of those whose dates were lost surely and perhaps.
SELECT CAST(team.value AS TEXT) AS team,
    (SELECT count(*) FROM activity_window AS w WHERE w.organization_id = :organization AND w.scope_id = team.value
        AND w.from_at <= :at AND w.to_at > :at) AS exact,
    (SELECT count(DISTINCT u.learner_id) FROM uncertain_activity_window AS u
     WHERE u.organization_id = :organization AND u.scope_id = team.value AND u.known_until = 253402300799999999
        AND u.from_latest <= :at AND u.to_earliest > :at AND NOT u.may_be_empty AND NOT EXISTS (
            SELECT 1 FROM activity_window AS w WHERE w.organization_id = :organization AND w.scope_id = team.value
                AND w.learner_id = u.learner_id AND w.from_at <= :at AND w.to_at > :at)) AS surely,
    (SELECT count(DISTINCT u.learner_id) FROM uncertain_activity_window AS u
     WHERE u.organization_id = :organization AND u.scope_id = team.value AND u.known_until = 253402300799999999
        AND u.from_earliest <= :at AND u.to_latest > :at AND NOT EXISTS (
            SELECT 1 FROM activity_window AS w WHERE w.organization_id = :organization AND w.scope_id = team.value
                AND w.learner_id = u.learner_id AND w.from_at <= :at AND w.to_at > :at)) AS perhaps
FROM json_each(:teams) AS team
