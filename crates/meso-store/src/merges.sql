-- What layout 7 adds to layout 6: ids of patients that turned out to be one patient's. It is run on a
-- new store and on one of an earlier layout alike.
CREATE TABLE patient_merges (
  id INTEGER PRIMARY KEY,
  clinic TEXT NOT NULL,
  gives_way BLOB NOT NULL,
  stays BLOB NOT NULL,
  at_ns INTEGER NOT NULL,
  UNIQUE (clinic, gives_way, stays)
) STRICT;

PRAGMA user_version = 7;
