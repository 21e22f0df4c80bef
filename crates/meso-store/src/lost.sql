-- What layout 9 adds to layout 8: blocks of which shots are gone from where the store keeps them, until
-- all of them are back and the receiver's progress says so. What came again waits under `pending`, which
-- is not sent before. It is run on a new store and on one of an earlier layout alike.
CREATE TABLE lost (
  block INTEGER PRIMARY KEY,
  -- Positions and counters of the shots that are gone, as in `blocks.runs`.
  missing BLOB NOT NULL,
  -- Whether all of them came again, and the receiver's progress does not say so yet.
  is_back INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX lost_back ON lost (block) WHERE is_back;

PRAGMA user_version = 9;
