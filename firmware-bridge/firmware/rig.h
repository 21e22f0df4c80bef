/*
 * The simulated rest of the gun, needle, sensors and trigger, and the test rig's port to it.
 *
 * The rig hears of every shot before the link can, so its record is the truth to which whatever
 * arrived elsewhere is compared. Lines end with a line feed; numbers are decimal, `-` is absent.
 * Every line to the rig ends with ` .`: one without it was cut off by a reset, its last number too.
 *
 *   to the rig                     meaning
 *   boot ID COUNT CONTINUES        a start; CONTINUES is 1 where the retained memory was whole
 *   epoch N                        the epoch, at the start and when it changes
 *   inhibited N                    1 while no shot is allowed; at the start and when it changes
 *   shot EPOCH COUNTER BOOT TICK INTERVAL DEPTH_SET DEPTH_SENSED VOLUME_SET VOLUME_SENSED
 *        FREQUENCY NEEDLES PURPOSE PRESSURE FLAGS
 *   refused ERROR                  a trigger fired nothing: a number of meso_error
 *   echo TEXT                      all that the rig asked for before it is done
 *   unknown                        a line that is none of those below
 *
 *   from the rig                   meaning
 *   go, hold                       fire as the provisioning page says, or not
 *   needle                         a new needle was put on
 *   echo TEXT                      say that again
 *   fire DEPTH_SET DEPTH_SENSED VOLUME_SET VOLUME_SENSED FREQUENCY NEEDLES PURPOSE PRESSURE FLAGS
 */
#ifndef MESO_FIRMWARE_RIG_H
#define MESO_FIRMWARE_RIG_H

#include "../meso_link.h"
#include "page.h"

/* What the rig's port is told of this start; call after meso_gun_start. */
void rig_start(struct meso_gun *gun, const struct page *page, const struct meso_config *config,
               bool continues);

/* Obeys the rig, pulls the trigger where that is due, and tells what changed. */
void rig_run(struct meso_gun *gun);

/* What the gun is set to now; a callback of the link library. */
void rig_settings(void *context, struct meso_set_points *set);

/* Shots since the needle was changed. */
uint32_t rig_shots_on_needle(void);

#endif
