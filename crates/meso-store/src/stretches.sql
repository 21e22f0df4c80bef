-- What layout 8 adds to layout 7: when a block has shots, where these are so far apart that one question
-- cannot ask for all of them. It is run on a new store and on one of an earlier layout alike; blocks of
-- that are asked for in pieces of all the time between their first and last shot.
ALTER TABLE blocks ADD COLUMN stretches BLOB;

PRAGMA user_version = 8;
