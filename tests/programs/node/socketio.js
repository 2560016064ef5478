// Two servers of socket.io that know each other by the Redis adapter alone: a message to a room reaches both.
const assert = require("node:assert");
const http = require("node:http");
const Redis = require("ioredis");
const { createAdapter } = require("@socket.io/redis-adapter");
const { Server } = require("socket.io");
const { io } = require("socket.io-client");

const port = Number(process.argv[2]);
const clients = [];

async function server() {
  const web = http.createServer();
  const one = new Redis(port);
  const two = one.duplicate();
  clients.push(one, two);
  const server = new Server(web, { adapter: createAdapter(one, two) });
  server.on("connection", (socket) => socket.join("room"));
  await new Promise((resolve) => web.listen(0, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${web.address().port}` };
}

async function main() {
  const [first, second] = [await server(), await server()];
  const socket = io(second.url, { transports: ["websocket"] });
  await new Promise((resolve) => socket.on("connect", resolve));
  while ((await first.server.in("room").fetchSockets()).length < 1) {
    await new Promise((resolve) => setTimeout(resolve, 20)); // until they know each other
  }
  const got = new Promise((resolve) => socket.on("news", resolve));
  first.server.to("room").emit("news", { a: 1 });
  assert.deepEqual(await got, { a: 1 });
  socket.close();
  for (const { server } of [first, second]) await server.close();
  for (const each of clients) each.disconnect();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
