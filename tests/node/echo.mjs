// Messages of many sizes through /ws/echo with `ws`. Prints one JSON line: what came back and how it closed.
//   node echo.mjs URL LARGEST_BYTES
import WebSocket from "ws";
import { randomBytes } from "node:crypto";

const [url, largest] = process.argv.slice(2);
const socket = new WebSocket(url, { perMessageDeflate: true });
const sizes = [0, 1, 125, 126, 127, 65535, Number(largest)];
const sent = sizes.flatMap((size) => [
  { data: Buffer.from("é".repeat(size / 2)), isBinary: false },
  { data: randomBytes(size), isBinary: true },
]);
const told = { same: 0, messages: sent.length, pongs: 0, extensions: null, code: null };

socket.on("open", () => {
  told.extensions = socket.extensions;
  socket.ping("are you there?");
  sent.forEach(({ data, isBinary }) => socket.send(data, { binary: isBinary }));
  socket.send("in three ", { fin: false });
  socket.send("frag", { fin: false });
  socket.send("ments", { fin: true });
});
socket.on("pong", (data) => (told.pongs += data.toString() === "are you there?"));
let received = 0;
socket.on("message", (data, isBinary) => {
  if (received === sent.length) {
    told.fragments = data.toString();
    socket.close(1000, "done");
    return;
  }
  const wanted = sent[received++];
  told.same += isBinary === wanted.isBinary && data.equals(wanted.data);
});
socket.on("close", (code) => {
  told.code = code;
  console.log(JSON.stringify(told));
});
