// Plain WebSocket clients without tokens join one room and send in rounds. Prints one JSON line: what each saw.
//   node rounds.mjs URL ROOM CLIENTS ROUNDS PAUSE_MS [CONFIRM_WAIT_MS]
import WebSocket from "ws";

const [url, room, clients, rounds, pauseMs, confirmWaitMs = "5000"] = process.argv.slice(2);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const errors = [];

function open(number) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    const seen = [];
    const confirmed = new Map();
    const client = { number, socket, seen, confirmed, batch: new Set(), lastConfirmedAt: 0 };
    socket.on("error", reject);
    socket.on("close", (code) => client.isDone || errors.push(`client ${number} closed: ${code}`));
    socket.on("message", (text) => {
      const { event, data } = JSON.parse(text);
      if (event === "new-chat-message") seen.push({ seq: data.seq, id: data.id, temp_id: data.temp_id, temp: data._temp });
      if (event === "message-confirmed") {
        confirmed.set(data.tempId, (confirmed.get(data.tempId) ?? 0) + 1);
        client.lastConfirmedAt = Date.now();
      }
      if (event === "messages-confirmed") data.seqs.forEach((seq) => client.batch.add(seq));
      if (event === "error" || event === "message-failed" || event === "closing") errors.push(text.toString());
      if (event === "ack") {
        if (data.ok) resolve(client);
        else reject(new Error(text));
      }
    });
    socket.on("open", () =>
      socket.send(JSON.stringify({ event: "join-chat-rooms", data: { roomIds: [room] }, ack: "join" })),
    );
  });
}

const all = await Promise.all(Array.from({ length: Number(clients) }, (_, number) => open(number)));
for (let round = 0; round < Number(rounds); round++) {
  for (const { number, socket } of all) {
    const data = { roomId: room, content: `round ${round} of ${number}`, temp_id: `c${number}-r${round}` };
    socket.send(JSON.stringify({ event: "send-chat-message", data }));
  }
  if (round + 1 < Number(rounds)) await sleep(Number(pauseMs));
}
const lastSentAt = Date.now();
const total = Number(clients) * Number(rounds);
const isComplete = (client) => client.seen.length >= total && client.confirmed.size >= Number(rounds);
const deadline = lastSentAt + Number(confirmWaitMs);
while (!all.every(isComplete) && Date.now() < deadline) await sleep(10);
const settledAt = Math.max(...all.map((client) => client.lastConfirmedAt));
all.forEach((client) => {
  client.isDone = true;
  client.socket.close();
});
const inOrder = (seen) => seen.every(({ seq }, i) => i === 0 || seq === seen[i - 1].seq + 1);
console.log(
  JSON.stringify({
    errors,
    clients: all.length,
    sent: total,
    complete: all.filter((client) => client.seen.length === total).length,
    ordered: all.filter((client) => inOrder(client.seen)).length,
    confirmedOnce: all.filter((client) => client.confirmed.size === Number(rounds) && [...client.confirmed.values()].every((n) => n === 1)).length,
    batchComplete: all.filter((client) => client.batch.size === total - Number(rounds)).length,
    confirmedWithinMs: settledAt - lastSentAt,
  }),
);
process.exit(0);
