// ioredis: publish and subscribe, a pipeline, a transaction, MONITOR, commands made of scripts.
const assert = require("node:assert");
const Redis = require("ioredis");
const { run } = require("./running");

async function scripts(client) {
  client.defineCommand("both", { numberOfKeys: 2, lua: "return redis.call('mget', KEYS[1], KEYS[2])" });
  client.defineCommand("total", { lua: "local n = 0 for _, v in ipairs(ARGV) do n = n + v end return n" });
  client.defineCommand("peek", { numberOfKeys: 1, lua: "return redis.call('get', KEYS[1])", readOnly: true });
  await client.mset("one", "1", "two", "2");
  assert.deepEqual(await client.both("one", "two"), ["1", "2"]);
  assert.deepEqual(await client.bothBuffer("one", "two"), [Buffer.from("1"), Buffer.from("2")]);
  assert.equal(await client.total(0, 1, 2, 39), 42);
  assert.equal(await client.peek("one"), "1");
  await client.script("FLUSH");
  const answers = await client.pipeline().both("one", "two").total(0, 1).set("three", "3").exec();
  assert.deepEqual(answers, [[null, ["1", "2"]], [null, 1], [null, "OK"]]);
  assert.deepEqual(await client.multi().total(0, 5).both("one", "no").exec(), [[null, 5], [null, ["1", null]]]);
  await assert.rejects(client.eval("return redis.error_reply('MY error')", 0), /MY error/);
  await assert.rejects(client.eval("return redis.call('incr', KEYS[1])", 1, "l"), /WRONGTYPE/);
}

run(async (port) => {
  const client = new Redis(port);
  const subscriber = new Redis(port);
  const got = [];
  const all = new Promise((resolve) => {
    const take = (...message) => got.push(message) === 2 && resolve();
    subscriber.on("message", take);
    subscriber.on("pmessage", take);
  });
  assert.equal(await subscriber.subscribe("c"), 1);
  assert.equal(await subscriber.psubscribe("d*"), 2);
  assert.equal(await client.publish("c", "m"), 1);
  assert.equal(await client.publish("d1", "n"), 1);
  await all;
  assert.deepEqual(got, [["c", "m"], ["d*", "d1", "n"]]);
  assert.equal(await subscriber.unsubscribe("c"), 1);
  const answers = await client.pipeline().set("k", "v").get("k").exec();
  assert.deepEqual(answers, [[null, "OK"], [null, "v"]]);
  assert.deepEqual(await client.multi().incr("n").incr("n").exec(), [[null, 1], [null, 2]]);
  const monitor = await client.monitor();
  const shown = new Promise((resolve) => monitor.on("monitor", (time, words) => resolve(words)));
  await client.set("k", "a b");
  assert.deepEqual(await shown, ["set", "k", "a b"]);
  await client.rpush("l", "not a number");
  await scripts(client);
});
