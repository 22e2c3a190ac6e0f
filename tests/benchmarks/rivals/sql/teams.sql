SELECT CAST(id AS TEXT) AS id, name FROM scope WHERE organization_id = :organization AND kind = 'TEAM'
ORDER BY name_key, id LIMIT :most
