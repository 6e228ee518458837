-- What somebody holds for a purpose is asked for at each reading of a register.
CREATE INDEX granted_purpose ON sharing.granted (organisation, purpose, dataset) WHERE state = 'active';
