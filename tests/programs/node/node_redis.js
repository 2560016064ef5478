// node-redis: publish and subscribe, transactions, scripts, streams, a blocking command, its client-side cache.
const assert = require("node:assert");
const { createClient, defineScript } = require("redis");
const { run, until } = require("./running");

const scripts = {
  add: defineScript({
    NUMBER_OF_KEYS: 1,
    SCRIPT: "return redis.call('get', KEYS[1]) + ARGV[1]",
    parseCommand: (parser, key, number) => {
      parser.pushKey(key);
      parser.push(number.toString());
    },
    transformReply: (reply) => reply,
  }),
};

async function commands(port, RESP) {
  const client = createClient({ socket: { port, host: "127.0.0.1" }, RESP, scripts });
  await client.connect();
  await client.flushAll();
  await client.set("n", "41", { EX: 100 });
  assert.equal(await client.add("n", 1), 42);
  await client.scriptFlush();
  assert.deepEqual(await client.multi().add("n", 1).get("n").exec(), [42, "41"]);
  assert.equal(await client.eval("return #KEYS + #ARGV", { keys: ["a"], arguments: ["b", "c"] }), 3);
  await client.hSet("h", { f: "v", g: "w" });
  assert.deepEqual({ ...(await client.hGetAll("h")) }, { f: "v", g: "w" });
  await client.zAdd("z", [{ score: 1.5, value: "a" }, { score: 2, value: "b" }]);
  assert.deepEqual(await client.zRangeWithScores("z", 0, 0), [{ value: "a", score: 1.5 }]);
  const id = await client.xAdd("x", "*", { a: "1" });
  assert.equal((await client.xRange("x", "-", "+"))[0].id, id);
  const keys = [];
  for await (const some of client.scanIterator()) keys.push(...some);
  assert.deepEqual(keys.sort(), ["h", "n", "x", "z"]);
  const blocking = client.duplicate();
  await blocking.connect();
  const waiting = blocking.blPop("l", 5);
  await client.rPush("l", "item");
  assert.equal((await waiting).element, "item");
  const got = [];
  const subscriber = client.duplicate();
  await subscriber.connect();
  await subscriber.subscribe("c", (message, channel) => got.push([channel, message]));
  await subscriber.pSubscribe("d*", (message, channel) => got.push([channel, message]));
  await client.publish("c", "m");
  await client.publish("d1", "n");
  await until(() => got.length === 2);
  assert.deepEqual(got, [["c", "m"], ["d1", "n"]]);
  await subscriber.unsubscribe("c");
  for (const each of [subscriber, blocking, client]) await each.close();
}

async function cache(port) {
  const caching = createClient({
    socket: { port, host: "127.0.0.1" }, RESP: 3, clientSideCache: { ttl: 0, maxEntries: 0, evictPolicy: "LRU" },
  });
  const other = createClient({ socket: { port, host: "127.0.0.1" } });
  await Promise.all([caching.connect(), other.connect()]);
  await other.set("k", "1");
  assert.deepEqual([await caching.get("k"), await caching.get("k")], ["1", "1"]);
  await other.set("k", "2");
  await until(async () => (await caching.get("k")) === "2");
}

run(async (port) => {
  for (const RESP of [2, 3]) await commands(port, RESP);
  await cache(port);
});
