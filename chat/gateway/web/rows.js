// What a list of messages shows, row by row: one for each message, and one for each new day. Pure.

const GROUP_MS = 5 * 60_000; // messages of one writer that stand so close together share one head

// A row is `{key, message, isFirst, quoted, readers}`; that of a day has no message but `at`. `quoted` is the message
// replied to, where it is loaded; `readers` are those who have seen one's newest message.
export function rowsOf(room) {
  const rows = [];
  const { newestMine } = room;
  let before = null;
  for (const message of room.ordered) {
    const day = new Date(message.at).toDateString();
    const isNewDay = !before || new Date(before.at).toDateString() !== day;
    if (isNewDay) rows.push({ key: `day:${day}`, at: message.at, message: null });
    const isClose = !isNewDay && message.senderId === before.senderId && message.at - before.at < GROUP_MS;
    const readers = message === newestMine ? room.readers.of(message.seq).length : 0;
    rows.push({ key: message.key, message, isFirst: !isClose, quoted: room.byId(message.replyTo), readers });
    before = message;
  }
  return rows;
}

// Does this row look as that one does?
export function isSame(row, other) {
  return ["message", "isFirst", "quoted", "readers"].every((name) => row[name] === other?.[name]);
}
