// ioredis: publish and subscribe, a pipeline, a transaction, MONITOR.
const assert = require("node:assert");
const Redis = require("ioredis");

async function main() {
  const port = Number(process.argv[2]);
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
  for (const each of [client, subscriber, monitor]) each.disconnect();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
