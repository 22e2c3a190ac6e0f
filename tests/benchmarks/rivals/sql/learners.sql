-- A page of the learners of each team who were, or may have been, active within a range; of the teams in JSON.
SELECT CAST(team.value AS TEXT) AS team, json_extract(page.value, '$[0]') AS id, json_extract(page.value, '$[1]') AS name,
    json_extract(page.value, '$[2]') AS email, json_extract(page.value, '$[3]') AS external_id,
    json_extract(page.value, '$[4]') AS department
FROM json_each(:teams) AS team, json_each((
    SELECT json_group_array(json_array(id, name, email, external_id, department)) FROM (
        SELECT CAST(p.learner_id AS TEXT) AS id, p.name, p.email, p.external_id, p.department FROM profile AS p
        WHERE p.organization_id = :organization AND p.learner_id IN (
            SELECT learner_id FROM activity_window
            WHERE organization_id = :organization AND scope_id = team.value AND from_at < :until AND to_at > :since
            UNION ALL SELECT learner_id FROM uncertain_activity_window
            WHERE organization_id = :organization AND scope_id = team.value AND from_earliest < :until
                AND to_latest > :since AND known_until = 253402300799999999
        ) AND (p.name_key, p.learner_id) > (:after_name, :after_learner)
        ORDER BY p.name_key, p.learner_id LIMIT :most))) AS page
