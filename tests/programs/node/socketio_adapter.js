// Two servers of socket.io that know each other by the Redis adapter alone: a message to a room reaches both.
const assert = require("node:assert");
const http = require("node:http");
const Redis = require("ioredis");
const { createAdapter } = require("@socket.io/redis-adapter");
const { Server } = require("socket.io");
const { io } = require("socket.io-client");
const { run, sleep } = require("./running");

async function server(port) {
  const web = http.createServer();
  const one = new Redis(port);
  const two = one.duplicate();
  const server = new Server(web, { adapter: createAdapter(one, two) });
  server.on("connection", (socket) => socket.join("room"));
  await new Promise((resolve) => web.listen(0, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${web.address().port}` };
}

run(async (port) => {
  const [first, second] = [await server(port), await server(port)];
  const socket = io(second.url, { transports: ["websocket"] });
  await new Promise((resolve) => socket.on("connect", resolve));
  while ((await first.server.in("room").fetchSockets()).length < 1) {
    await sleep(20); // until they know each other
  }
  const got = new Promise((resolve) => socket.on("news", resolve));
  first.server.to("room").emit("news", { a: 1 });
  assert.deepEqual(await got, { a: 1 });
  socket.close();
});
