-- A spool has a name of its own: a region that gets a new one counts its records from 1 again, and a database that
-- several spools came to must tell them apart.
CREATE TABLE spool (id TEXT NOT NULL);
INSERT INTO spool (id) VALUES (lower(hex(randomblob(16))));
