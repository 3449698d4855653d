// The official client, driven line by line: commands in JSON on standard input, what happens on standard output.
//
//   {do: "open", socket, url, options}          io(url, options); everything it hears is reported
//   {do: "emit", socket, event, args}           without an acknowledgement
//   {do: "ask", socket, number, event, args, timeout}   with one, and a time limit
//   {do: "cut", socket}                         end the transport as a lost network does
//   {do: "close", socket}                       socket.disconnect()
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const sockets = new Map();

function report(name, what, ...details) {
  process.stdout.write(JSON.stringify([name, what, ...details]) + "\n");
}

function open({ socket: name, url, options }) {
  const socket = io(url, { forceNew: true, ...options });
  sockets.set(name, socket);
  // The upgrade may be over before the namespace is connected: it is listened for as soon as there is an engine.
  socket.io.on("open", () => {
    socket.io.engine.once("upgrade", (transport) => report(name, "upgrade", transport.name));
  });
  socket.on("connect", () => report(name, "connect", socket.io.engine.transport.name));
  socket.on("connect_error", (error) => report(name, "connect_error", error.message, error.data ?? null));
  socket.on("disconnect", (reason) => report(name, "disconnect", reason));
  socket.onAny((event, ...args) => report(name, "event", event, args));
}

function ask({ socket: name, number, event, args, timeout }) {
  const done = (error, answer) => report(name, "answer", number, error ? { error: error.message } : answer);
  sockets.get(name).timeout(timeout ?? 10_000).emit(event, ...args, done);
}

const commands = {
  open,
  ask,
  emit: ({ socket, event, args }) => sockets.get(socket).emit(event, ...args),
  cut: ({ socket }) => sockets.get(socket).io.engine.close(),
  close: ({ socket }) => sockets.get(socket).disconnect(),
};

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const command = JSON.parse(line);
  commands[command.do](command);
});
lines.on("close", () => {
  // Then nothing keeps the process alive; were there something, the test should see it hang.
  for (const socket of sockets.values()) socket.disconnect();
});
