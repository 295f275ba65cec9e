// What a user wants to be notified of, as the server decides it (chat/services/push_choices.py). Pure functions.

const DIRECT = "direct-"; // rooms of two: all in them counts as naming one

// `mine` is `{mode, quiet_hours}`, `room` is `{mode, muted_until}` of the room; `now` in ms since 1970.
export function wants(mine, room, roomId, isNamed, now) {
  if (mine.mode === "none" || Date.parse(room.muted_until ?? "") > now || isQuiet(mine.quiet_hours, now)) return false;
  const mode = room.mode ?? mine.mode;
  return mode === "all" || (mode === "mentions" && (isNamed || roomId.startsWith(DIRECT)));
}

// Is it one of the quiet hours, by the wall clock of their zone; they may go over midnight.
export function isQuiet(hours, now) {
  if (!hours) return false;
  const { from, to, tz: timeZone } = hours;
  const form = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone };
  const wall = new Intl.DateTimeFormat("en-GB", form).format(now);
  return from <= to ? from <= wall && wall < to : wall >= from || wall < to;
}
