// The official Socket.IO client against the engine: connects, counts, prints what it saw as JSON.
// Usage: node engine-client.mjs <origin> <transports, comma separated> <events>
import { io } from "socket.io-client";

const [origin, transports, count] = process.argv.slice(2);
const events = Number(count);
const seen = { transports: [], order: [], acks: [], binary: null, welcome: null, refused: null, reason: null };

const socket = io(`${origin}/chat`, {
  transports: transports.split(","),
  auth: { token: "Zo\u00eb \u{1f600}" },
  reconnection: false,
});

const note = () => seen.transports.push(socket.io.engine.transport.name);

socket.on("welcome", (auth) => {
  seen.welcome = auth;
});
socket.on("tick", (number) => seen.order.push(number));
socket.on("disconnect", (reason) => {
  seen.reason = reason;
  note();
  process.stdout.write(JSON.stringify(seen), () => process.exit(0));
});
socket.on("connect_error", (error) => {
  process.stderr.write(`connect_error: ${error.message}\n`);
  process.exit(1);
});

socket.io.on("open", note);
socket.on("connect", async () => {
  await refusal();
  for (let number = 0; number < events; number += 1) {
    socket.emit("echo", number, { text: `n\u00b0 ${number}` }, (first) => seen.acks.push(first));
    if (number % 10 === 9) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
  const bytes = await socket.timeout(5000).emitWithAck("echo", new Uint8Array([1, 2, 3]));
  seen.binary = [...new Uint8Array(bytes)];
  socket.emit("finish");
});

function refusal() {
  return new Promise((resolve) => {
    const second = socket.io.socket("/", { auth: { refuse: "Not today" } });
    second.on("connect_error", (error) => {
      seen.refused = { message: error.message, data: error.data };
      second.off();
      resolve();
    });
    second.connect();
  });
}
