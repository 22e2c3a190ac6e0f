SELECT CAST(id AS TEXT) AS id, name FROM scope WHERE organization_id = :organization AND id = :team AND kind = 'TEAM'
