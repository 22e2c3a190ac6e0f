-- All of Nested at once: a row a window, with its learner and team, in order; of each team one learner too many.
WITH listed AS MATERIALIZED (
    SELECT team.key AS place, team.id AS team, team.name AS team_name, page.key AS position,
        json_extract(page.value, '$[0]') AS learner_id, json_extract(page.value, '$[1]') AS name,
        json_extract(page.value, '$[2]') AS email
    FROM (SELECT row_number() OVER (ORDER BY name_key, id) AS key, id, name FROM scope
          WHERE organization_id = :organization AND kind = 'TEAM' ORDER BY name_key, id LIMIT 20) AS team,
    json_each((
        SELECT json_group_array(json_array(learner_id, name, email)) FROM (
            SELECT p.learner_id, p.name, p.email FROM profile AS p
            WHERE p.organization_id = :organization AND p.learner_id IN (
                SELECT learner_id FROM activity_window
                WHERE organization_id = :organization AND scope_id = team.id AND from_at < :until AND to_at > :since
                UNION ALL SELECT learner_id FROM uncertain_activity_window
                WHERE organization_id = :organization AND scope_id = team.id AND from_earliest < :until
                    AND to_latest > :since AND known_until = 253402300799999999)
            ORDER BY p.name_key, p.learner_id LIMIT 51))) AS page)
SELECT l.team, l.team_name, l.learner_id, l.name, l.email, w.from_at, nullif(w.to_at, 253402300799999999),
    l.place, l.position, w.to_at, w.from_at
FROM listed AS l CROSS JOIN activity_window AS w
WHERE w.organization_id = :organization AND w.scope_id = :organization AND w.learner_id = l.learner_id
UNION ALL
SELECT l.team, l.team_name, l.learner_id, l.name, l.email,
    CASE WHEN w.from_earliest = w.from_latest THEN w.from_latest END,
    CASE WHEN w.to_earliest = w.to_latest THEN nullif(w.to_latest, 253402300799999999) END,
    l.place, l.position, w.to_latest, w.from_earliest
FROM listed AS l CROSS JOIN uncertain_activity_window AS w
WHERE w.organization_id = :organization AND w.scope_id = :organization AND w.learner_id = l.learner_id
    AND w.known_until = 253402300799999999
ORDER BY 8, 9, 10, 11
