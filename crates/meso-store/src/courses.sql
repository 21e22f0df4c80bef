-- What layout 6 adds to layout 5: courses of patients, claimed shots, late findings. It is run on a new
-- store and on one of layout 5 alike; there, shots without a session are counted from then on.
ALTER TABLE sessions ADD COLUMN claimed_shot_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN claimed_patient_shot_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN claimed_volume_nl INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN claimed_failed_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN claimed_soft_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN claimed_hard_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN claimed_not_checkable_count INTEGER NOT NULL DEFAULT 0;

-- Verdicts on sessions that changed after the fact.
CREATE TABLE late_findings (
  id INTEGER PRIMARY KEY,
  session BLOB NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE INDEX late_findings_session ON late_findings (session, id);

-- Shots that were fired without a session and that a session claims; of several claims to a shot
-- the one that was said first counts.
CREATE TABLE claims (
  gun TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  session BLOB NOT NULL,
  segment BLOB NOT NULL,
  first_counter INTEGER NOT NULL,
  last_counter INTEGER NOT NULL,
  at_ns INTEGER NOT NULL,
  PRIMARY KEY (gun, epoch, session, segment, first_counter, last_counter)
) STRICT, WITHOUT ROWID;

-- Sessions in which somebody was treated, as later sessions of the patient ask for them.
CREATE TABLE treated (
  session BLOB PRIMARY KEY,
  clinic TEXT NOT NULL,
  patient BLOB NOT NULL,
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX treated_patient ON treated (clinic, patient);

PRAGMA user_version = 6;
