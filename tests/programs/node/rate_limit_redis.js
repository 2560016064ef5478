// rate-limit-redis: the store of express-rate-limit, in an application of express.
const assert = require("node:assert");
const express = require("express");
const { rateLimit } = require("express-rate-limit");
const { RedisStore } = require("rate-limit-redis");
const { createClient } = require("redis");
const { run, until } = require("./running");

run(async (port) => {
  const client = createClient({ socket: { port, host: "127.0.0.1" } });
  await client.connect();
  const store = new RedisStore({ sendCommand: (...words) => client.sendCommand(words) });
  const app = express();
  app.use(rateLimit({ windowMs: 1000, limit: 2, store, keyGenerator: () => "user" }));
  app.get("/", (request, response) => response.send("here"));
  const web = await new Promise((resolve) => {
    const server = app.listen(0, "127.0.0.1", () => resolve(server));
  });
  const ask = async () => (await fetch(`http://127.0.0.1:${web.address().port}/`)).status;
  assert.deepEqual([await ask(), await ask(), await ask()], [200, 200, 429]);
  const seen = await store.get("user");
  assert.equal(seen.totalHits, 3);
  assert(seen.resetTime - Date.now() <= 1000);
  await store.decrement("user");
  assert.equal((await store.get("user")).totalHits, 2);
  await client.scriptFlush();
  assert.equal(await ask(), 429);
  await store.resetKey("user");
  assert.equal(await ask(), 200);
  await until(async () => (await client.exists("rl:user")) === 0);
});
