SELECT CAST(learner_id AS TEXT) AS id, name, email, external_id, department FROM profile
WHERE organization_id = :organization AND learner_id = :learner
