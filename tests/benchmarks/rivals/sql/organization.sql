-- Of which organization, how it is called, and the zone of its days.
SELECT o.name, z.zone FROM organization AS o JOIN billing_zone AS z ON z.organization_id = o.id
WHERE o.id = :organization ORDER BY z.since DESC LIMIT 1
