// The peer of the benchmarks: the official Socket.IO server with the two events that they use, storing nothing.
// It takes anybody, answers what the service answers, and sends each message to the room once it is received.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer((_request, response) => response.end("ok"));
// Compression is off by default here and in the service. No heartbeat falls into a measurement.
const io = new Server(http, { pingInterval: 600_000, serveClient: false });
const lastSeq = new Map();

io.of("/chat").on("connection", (socket) => {
  socket.on("room:open", ({ room }, ack) => {
    socket.join(room);
    ack({ ok: true, room, last_seq: lastSeq.get(room) ?? 0, last_id: "", more: false, entries: [] });
  });
  socket.on("message:send", ({ room, key, body }, ack) => {
    const seq = (lastSeq.get(room) ?? 0) + 1;
    lastSeq.set(room, seq);
    const entry = { room, seq, id: `id${seq}`, kind: "message", sender: socket.id, ts: Date.now(), key, body };
    io.of("/chat").to(room).emit("entry", entry);
    ack({ ok: true, seq, id: entry.id, ts: entry.ts, duplicate: false });
  });
});

http.listen({ port: Number(process.env.PORT), host: "127.0.0.1", backlog: 4096 });
